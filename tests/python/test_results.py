"""Files of benchmark results: records replace their like, and the tables say what the records say."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command import MODELS, ROOT

sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench/peers")]

import models as peers  # noqa: E402
import ort_profile  # noqa: E402
import profiles  # noqa: E402
import results_file as results_of  # noqa: E402
from programs import run_lines  # noqa: E402


def record(runtime, rate, **more):
    return {"model": "m", "runtime": runtime, "tests": [{"test": "tg8", "depth": 0, "median": rate}], **more}


def test_files_grow_and_records_replace_their_like(tmp_path):
    file = tmp_path / "deep/r.json"
    for runtime, rate in (("a", 1.0), ("b", 2.0), ("a", 1234.5)):
        results = results_of.load(file)
        results_of.put_model(results, record(runtime, rate))
        results_of.put_kernel(results, {"bench": "x", "library": "l", "kernel": runtime, "shape": "s", "us": rate, "gb_s": 3.0})
        results_of.save(results, file)
    results = json.loads(file.read_text())
    assert [(r["runtime"], r["tests"][0]["median"]) for r in results["models"]] == [("a", 1234.5), ("b", 2.0)]
    assert len(results["kernels"]) == 2
    table = file.with_suffix(".md").read_text()
    assert "| a | 1,234 |" in table and "| b | 2.00 |" in table and "| a | s | 1,234 | 3.00 GB/s |" in table


def test_tests_that_a_runtime_lacks_stay_empty():
    other = {"model": "m", "runtime": "b", "tests": [{"test": "pp16", "depth": 4, "median": 50.0}], "problem": "stopped"}
    table = results_of.markdown({"date": "d", "device": "g", "models": [record("a", 7.0), other], "kernels": []})
    assert "| tokens per second | tg8 | pp16, depth 4 |" in table
    assert "| a | 7.00 |  |" in table and "| b |  | 50.0 |" in table and "- b: stopped" in table


def test_cost_of_a_token():
    test = {"test": "tg8", "depth": 0, "median": 100.0, "us_token": 10000.0, "us_layer": 500.0, "dispatches_token": 90, "dispatches_layer": 4.0,
            "weight_bytes_token": 2_000_000, "state_bytes_token": 500_000, "gb_s": 0.25, "share_of_read_bandwidth": 0.125}
    table = results_of.cost_table([{"runtime": "a", "tests": [test]}])
    assert "| a | tg8 | 0 | 10,000 | 500 | 90 | 4.00 | 2.50 | 0.25 | 12 % |" in table


def test_results_in_the_tree_are_whole():
    for file in (ROOT / "bench/results").glob("*.json"):
        results = json.loads(file.read_text())
        assert results["date"] and results["device"], file
        assert all(t["median"] > 0 for r in results["models"] for t in r["tests"]), file


def compared(tmp_path, ours, theirs, tokens=(1, 2, 3)):
    reference, rival = ({"runtime": name, "tests": [], "tokens": list(t)} for name, t in (("sluice", (1, 2, 3)), ("ort", tokens)))
    for record, logits in ((reference, theirs), (rival, ours)):
        np.save(tmp_path / f"{record['runtime']}.npy", np.array(logits, np.float32))
    peers.compare(rival, reference, tmp_path)
    return rival


def test_rivals_are_compared(tmp_path):
    same = compared(tmp_path, [1, 2, 4], [[9, 9, 9], [1, 2, 4]])  # the last of all positions
    assert same["tokens_agree"] == "3 of 3" and same["logits"]["correlation"] == 1 and same["logits"]["greatest_difference"] == 0
    other = compared(tmp_path, [1, 2, 4], [1, 2, 3], tokens=(1, 5, 3))
    assert other["tokens_agree"] == "1 of 3" and other["logits"]["greatest_difference"] == 1 and other["logits"]["correlation"] < 1
    dead = {"runtime": "ort", "tests": [], "problem": "stopped after 6 s"}
    peers.compare(dead, {"runtime": "sluice", "tests": [], "tokens": [1]}, tmp_path)
    assert "tokens_agree" not in dead
    nan = compared(tmp_path, [1, float("nan"), 4], [1, 2, 3])
    assert nan["logits"] == "not finite"
    assert results_of.agreement(nan | {"compared_with": "Sluice"}) == "the first 3 of 3 greedy tokens are Sluice's; logits not finite"
    assert "logits correlate by 1.000, differ by 0.00 at most and spread by 1.25" in results_of.agreement(same | {"compared_with": "Sluice"})


def test_a_program_that_hangs_or_dies_costs_what_it_had_not_printed(tmp_path):
    lines, problem = run_lines([sys.executable, "-c", "import time; print('{}', flush=True); time.sleep(60)"], 2)
    assert lines == ["{}"] and problem == "stopped after 2 s"
    lines, problem = run_lines([sys.executable, "-c", "import sys; print(1); sys.exit('no device')"], 20)
    assert lines == ["1"] and problem == "exit code 1: no device"


FAKE_BENCH = """#!{python}
import json, sys, time
print(json.dumps({{"device": "d", "library": "l", "kernel": sys.argv[2], "shape": "s", "us": 1.0, "gb_s": 2.0}}), flush=True)
time.sleep({seconds})
"""


@pytest.mark.skipif(os.name == "nt", reason="the fake programs are scripts")
def test_benches_of_kernels_are_chosen_by_parts_of_their_names(tmp_path):
    for name, seconds in (("moe", 0), ("matmul", 60), ("topk", 0)):
        program = tmp_path / f"{name}_bench"
        program.write_text(FAKE_BENCH.format(python=sys.executable, seconds=seconds))
        program.chmod(0o755)

    def run_all(kernels):
        command = [sys.executable, ROOT / "bench/run_all.py", "--out", tmp_path / "r.json", "--build", tmp_path, "--parts", "kernels", "--kernels", kernels,
                   "--kernel-arguments", "first", "--time-limit", "2"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    done = run_all("moe,mat")
    assert done.returncode == 0 and "stopped after 2 s" in done.stderr
    kept = json.loads((tmp_path / "r.json").read_text())["kernels"]
    assert [(line["bench"], line["kernel"]) for line in kept] == [("matmul", "first"), ("moe", "first")], "also of the program that was stopped"
    done = run_all("moe,nothing")
    assert done.returncode == 1 and "holds no bench called 'nothing': matmul_bench, moe_bench, topk_bench" in done.stderr


class FakeRival:
    """Takes a second for a token, on a clock of its own."""

    def __init__(self):
        self.now, self.decoded = 0.0, []

    def start(self):
        pass

    def prompt(self, ids):
        self.now += len(ids)

    def first(self):
        return 7

    def decode(self, first, count):
        self.now += count
        self.decoded.append(count)
        return [first] * count


def test_tests_that_take_long_are_not_repeated(monkeypatch):
    rival = FakeRival()
    monkeypatch.setattr(peers.time, "perf_counter", lambda: rival.now)
    slow = peers.parse([MODELS / "qwen3-cpu", "--new-tokens", 100, "--repeats", 3, "--test-seconds", 50])
    assert peers.time_decode(rival, [1, 2], slow) == {"test": "tg100", "depth": 2, "median": 1, "least": 1, "most": 1}
    assert rival.decoded == [peers.WARM_UP_TOKENS, 100]
    quick = peers.parse([MODELS / "qwen3-cpu", "--new-tokens", 20, "--repeats", 3, "--test-seconds", 50])
    peers.time_decode(rival, [1, 2], quick)
    assert rival.decoded[2:] == [peers.WARM_UP_TOKENS, 20, 20, 20]


def test_runs_of_a_profile_last_until_their_results_are_there(tmp_path):
    events = [{"name": name, "ts": ts, "dur": 10, "args": {}} for name, ts in (("model_run", 50), ("x_kernel_time", 12), ("model_run", 11))]
    (tmp_path / "p.json").write_text(json.dumps(events))
    later, node, first = ort_profile.with_waits(tmp_path / "p.json", [5.4, 90.0])
    assert (first["dur"], first["args"], later["dur"], node["dur"]) == (15, {"waited_us": "5"}, 100, 10)
    with pytest.raises(ValueError):
        ort_profile.with_waits(tmp_path / "p.json", [5.4])


def test_figures_of_a_profile():
    """Two tokens of two dispatches; the rival's run takes three times as long."""
    timing = {"usual": 2000.0, "gpu": 1500.0, "gpu_stamped": 1540.0, "record": 100.0, "submit": 300.0}
    steps = [{"runs": [[0, 5, 1_000_000, 10], [9, 5, 3_000_000, 10]]}, {"runs": [[5, 3, 0, 10], [14, 3, 0, 10]]}]
    phase = {"name": "decode", "tokens": 2, "runs": 2, "timing": timing, "steps": steps, "total": 16.0,
             "operators": [{"name": "QMoE", "total": 10.0}, {"name": "Add", "total": 6.0}]}
    row = profiles.figures("m", phase, {"phases": [{"timing": {"usual": 12000.0}, "runs": 4}]})
    assert dict(zip(profiles.HEADER, row)) == {
        "model": "m", "phase": "decode", "largest operators": "QMoE 62 %, Add 38 %", "tok/s": "1,000", "dispatches": "2.00", "us": "1,000",
        "GPU us": "750", "host us": "200", "stamps us": "10.0", "MB read": "2.00", "rival us": "3,000", "rival/ours": "3.00"}
    assert profiles.figures("m", phase, None)[-2:] == ["", ""]
