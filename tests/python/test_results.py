"""Files of benchmark results: records replace their like, and the tables say what the records say."""

import json
import sys

from command import ROOT

sys.path.insert(0, str(ROOT / "bench"))

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
