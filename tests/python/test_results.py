"""Files of benchmark results: records replace their like, and the tables say what the records say."""

import json
import sys

import numpy as np
from command import ROOT

sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench/peers")]

import models as peers  # noqa: E402
import results_file as results_of  # noqa: E402


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
    assert compared(tmp_path, [1, float("nan"), 4], [1, 2, 3])["logits"] == "not finite"


def test_a_rival_that_hangs_or_dies_costs_its_own_row_only(tmp_path):
    lines, problem = peers.run_lines([sys.executable, "-c", "import time; print('{}', flush=True); time.sleep(60)"], 2)
    assert lines == ["{}"] and problem == "stopped after 2 s"
    lines, problem = peers.run_lines([sys.executable, "-c", "import sys; print(1); sys.exit('no device')"], 20)
    assert lines == ["1"] and problem == "exit code 1: no device"
