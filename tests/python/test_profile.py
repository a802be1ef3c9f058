"""sluice profile: the report of our runs and of ONNX Runtime's files."""

import json
import os
import re
import subprocess

import numpy as np
import onnxruntime as ort
import pytest
from command import DEMO, MODELS, disabled, sluice, succeed
from onnx import TensorProto, helper
from profile_files import CPU, FOLDER, GPU, REPORT, event, seed_events, session_event, write

TINY = MODELS / "qwen3-cpu-float"
SHORT = ["--prompt-tokens", 9, "--tokens", 12, "--repeats", 1, "-q", "--no-read-limit"]


def lines(text):
    return [" ".join(line.split()).replace("= ", "=") for line in text.splitlines()]


@pytest.fixture(scope="module")
def seed_report(tmp_path_factory):
    return succeed("profile", "--ort", write(tmp_path_factory.mktemp("seed") / "seed.json", seed_events())).out


def op_line(op, total, count, average, share):
    return f"{op} total={total} ms count={count} avg={average} ms ({share}%)"


def test_the_posted_report_is_reproduced_to_the_digit(seed_report):
    got = lines(seed_report)
    start = got.index("Top ops by total time:") + 1
    wanted = [op_line(*row) for row in REPORT["operators"]]
    assert got[start : start + len(wanted)] == wanted
    assert got[start + len(wanted)] == f"TOTAL total={REPORT['total_ms']} ms"
    for provider, part in REPORT["providers"].items():
        head = f"[{provider}] total={part['total_ms']} ms nodes={part['nodes']} ({part['share']}% of all time)"
        start = got.index(head) + 1
        assert got[start : start + len(part["rows"])] == [op_line(*row) for row in part["rows"]]


def test_the_posted_transfers_fallbacks_and_slowest_nodes(seed_report):
    got = lines(seed_report)
    assert f"Total Memcpy time: {REPORT['transfers_ms']} ms across {REPORT['transfers']} transfers" in "\n".join(got)
    start = got.index("Top 30 slowest transfers:") + 1
    assert got[start : start + 90 : 3] == [f"{ms} ms {op} {GPU} {node}" for ms, op, node in REPORT["slowest_transfers"]]
    assert got[start + 1] == "in: [{'float': [1, 128, 128]}]"
    fallback = REPORT["fallback"]
    assert f"Total CPU fallback time: {fallback['total_ms']} ms across {fallback['nodes']} unique nodes ({fallback['events']} events)" in got
    shown = {tuple(line.split()[::2][:2]) + (line.split()[3],) for line in got if re.match(r"0\.\d+ ms \S+ /model", line)}
    assert {(ms, op, node) for ms, op, node, *_ in fallback["runs"]} <= shown
    start = got.index("TOP 30 SLOWEST INDIVIDUAL NODES") + 2
    assert got[start : start + 30] == [f"{ms} ms WebGpu {op} {node}" for ms, op, node in REPORT["slowest"]]


def test_a_file_of_the_webgpu_provider():
    report = succeed("profile", "--ort", FOLDER / "ort_webgpu.json").out
    assert "[WebGpuExecutionProvider]" in report and "[CPUExecutionProvider]" in report
    assert re.search(r"MemcpyFromHost +WebGpuExecutionProvider +Memcpy\n +in: +\[\{'int32': \[1\]\}\]", report)
    one = json.loads(succeed("profile", "--ort", FOLDER / "ort_webgpu.json", "--runs", 1, 1, "--json").out)
    assert one["phases"][0]["runs"] == 1
    assert next(o for o in one["phases"][0]["operators"] if o["name"] == "QMoE")["count"] == 1
    qmoe = next(s for s in one["phases"][0]["steps"] if s["op"] == "QMoE")
    assert qmoe["runs"][0][2] > 1 << 20, "bytes that ONNX Runtime tells"


@pytest.fixture(scope="module")
def cpu_file(tmp_path_factory):
    """Written now by the onnxruntime that is installed."""
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path_factory.mktemp("ort") / "cpu")
    session = ort.InferenceSession(MODELS / "afmoe-float/model.onnx", options, providers=[CPU])
    feeds = {"input_ids": np.array([[5, 6, 7]], np.int64), "attention_mask": np.ones((1, 3), np.int64)}
    for info in session.get_inputs():
        if info.name not in feeds:
            width = session.get_modelmeta().custom_metadata_map.get("head_size")
            feeds[info.name] = np.zeros((1, info.shape[1], 0, int(width or 16)), np.float32)
    for _ in range(3):
        session.run(None, feeds)
    return session.end_profiling()


def test_a_file_of_the_installed_onnxruntime(cpu_file):
    events = [e for e in json.loads(open(cpu_file).read()) if e["cat"] == "Node" and e["name"].endswith("_kernel_time")]
    report = json.loads(succeed("profile", "--ort", cpu_file, "--json").out)
    phase = report["phases"][0]
    assert phase["runs"] == 3
    for operator in phase["operators"]:
        mine = [e["dur"] for e in events if e["args"]["op_name"] == operator["name"]]
        assert (operator["count"], operator["total"]) == (len(mine), sum(mine)), operator["name"]
    assert sum(o["count"] for o in phase["operators"]) == len(events)
    assert "None: the CPU is the only provider that ran." in succeed("profile", "--ort", cpu_file).out


def test_gpu_kernels_of_a_cuda_file_are_a_phase_of_their_own(tmp_path):
    """Events as ONNX Runtime's pull request 8406, which brought them, shows them; some versions put fences around nodes."""
    def kernel(ts, dur, name="BinaryElementWiseKernel"):
        sizes = {"stream": "13", "block_x": "256", "grid_x": "1", "grid_y": "1", "grid_z": "1", "block_y": "1", "block_z": "1"}
        return {"cat": "Kernel", "pid": -1, "tid": -1, "dur": dur, "ts": ts, "ph": "X", "name": name, "args": {"op_name": "Add", **sizes}}

    fence = {"cat": "Node", "pid": 1, "tid": 1, "dur": 24, "ts": 1, "ph": "X", "name": "Add_0_fence_before", "args": {"op_name": "Add"}}
    events = [session_event("model_run", 1, 20), fence, event("Add", "CUDAExecutionProvider", "Add_0", 4) | {"ts": 2}, kernel(3, 5), kernel(9, 2),
              kernel(12, 1, "other"), kernel(40, 100)]
    file = write(tmp_path / "cuda.json", events)
    phases = json.loads(succeed("profile", "--ort", file, "--json").out)["phases"]
    assert [(p["name"], [(o["name"], o["total"], o["count"]) for o in p["operators"]]) for p in phases] == [
        ("run", [("Add", 4, 1)]), ("GPU kernels", [("Add", 8, 3)])], "without what ran after the last run"
    assert [(k["name"], k["total"]) for k in phases[1]["kernels"]] == [("BinaryElementWiseKernel", 7), ("other", 1)]
    text = succeed("profile", "--ort", file).out
    assert "[CUDAExecutionProvider]" in text and "GPU KERNELS" in text and re.search(r"BinaryElementWiseKernel +total= +0\.01 ms  count= +2", text)


def test_runs_that_end_with_their_results(tmp_path):
    run = session_event("model_run", 1, 9000) | {"args": {"waited_us": "6000"}}
    file = write(tmp_path / "waited.json", [run, event("Add", GPU, "/a", 4) | {"ts": 2}])
    assert "1 run of 9.000 ms on average, of which the host waited 6.000 ms for results" in succeed("profile", "--ort", file).out
    assert "waited" not in succeed("profile", "--ort", FOLDER / "ort_webgpu.json").out


@pytest.fixture(scope="module")
def report_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("own") / "tiny.json"
    file.write_text(succeed("profile", TINY, *SHORT, "--json").out)
    return file


def test_what_a_run_of_ours_tells(report_file):
    report = json.loads(report_file.read_text())
    prefill, decode = report["phases"]
    assert (prefill["name"], prefill["tokens"], prefill["runs"]) == ("prefill", 9, 1)
    assert (decode["name"], decode["tokens"], decode["runs"]) == ("decode", 12, 12)
    for phase in report["phases"]:
        assert phase["timing"]["usual"] > 0 and phase["total"] > 0
        assert phase["timing"]["warm_up_rounds"] >= 1
        assert [d["name"] for d in phase["devices"]] == ["GPU"]
        assert abs(sum(o["total"] for o in phase["operators"]) - phase["total"]) < 1e-6 * phase["total"]
        for step in phase["steps"]:
            assert step["kernel"] and step["sources"] and step["inputs"] + step["outputs"]
            assert all(length >= 0 for _, length, *_ in step["runs"])
            assert any(read + written > 0 for _, _, read, written in step["runs"]), step["node"]
        assert {row["name"] for row in phase["layers"]} >= {"0", "1", ""}
    assert all(len(s["runs"]) == 12 for s in decode["steps"])
    attention = next(o for o in decode["operators"] if o["name"] == "GroupQueryAttention")
    assert attention["count"] == 12 * len({s["node"] for s in decode["steps"] if s["op"] == "GroupQueryAttention"})


def test_steady_decode_copies_nothing_but_token_ids(report_file):
    decode = json.loads(report_file.read_text())["phases"][1]
    assert decode["transfers"]
    assert {(t["direction"], t["from"]["name"]) for t in decode["transfers"]} == {("to host", "sampled ids")}
    assert decode["waits"] <= decode["submits"]
    assert decode["submits"] == 5, "1, 1, 2, 4 and 4 tokens: none was under way when the clock began"


def test_bytes_are_those_that_a_token_touches(report_file):
    """Of caches what they hold, of tables a row, of the sampler's counts one."""
    steps = json.loads(report_file.read_text())["phases"][1]["steps"]
    attention = [s for s in steps if s["op"] == "GroupQueryAttention"]
    layers = {s["node"] for s in attention}
    for node in layers:
        mine = [s for s in attention if s["node"] == node]
        cache = next(t for s in mine for t in s["inputs"] + s["outputs"] if t["name"].startswith("past_key"))
        row = 2 * cache["shape"][1] * cache["shape"][3] * 4  # of keys and values
        reads = [sum(s["runs"][i][2] for s in mine) for i in range(12)]
        assert [b - a for a, b in zip(reads, reads[1:])] == [row] * 11
        assert reads[0] < (9 + 1) * row + 8 * 1024, "the tables of angles are larger"
    (embedding,) = (s for s in steps if s["op"].startswith("Gather"))
    assert embedding["runs"][0][2] <= embedding["runs"][0][3] + 64
    (pick,) = (s for s in steps if s["kernel"] == "sample/pick")
    assert sum(pick["runs"][0][2:]) < 1024


def test_joined_steps_name_the_nodes_they_came_from(report_file):
    if "fusion" in os.environ.get("SLUICE_DISABLE", ""):
        pytest.skip("nothing is joined")
    decode = json.loads(report_file.read_text())["phases"][1]
    joined = [s for s in decode["steps"] if len(s["sources"]) > 1]
    assert joined
    assert any("LayerNormalization" in source for s in joined for source in s["sources"])
    assert all(f"{s['op']} {s['node']}" in s["sources"] or s["op"] == s["node"] for s in decode["steps"] if len(s["sources"]) == 1)


def test_the_text_has_every_section(tmp_path):
    text = succeed("profile", TINY, *SHORT[:-1]).out
    for part in ("PREFILL", "DECODE", "Top ops by total time:", "BREAKDOWN BY DEVICE", "DATA TRANSFERS", "CPU FALLBACK NODES",
                 "None: Sluice runs all of a model on the GPU", "TOP 30 SLOWEST INDIVIDUAL NODES", "BY LAYER", "tok/s", "% of limit"):
        assert part in text, part
    only = succeed("profile", TINY, *SHORT, "--phase", "decode").out
    assert "DECODE" in only and "PREFILL" not in only


def test_csv_and_trace(tmp_path):
    csv = succeed("profile", TINY, *SHORT, "--phase", "decode", "--csv", "--trace", tmp_path / "t.json").out.splitlines()
    assert csv[0].startswith("phase,operator,node,kernel,device,layer,")
    assert len(csv) > 20
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    names = {e["args"]["name"] for e in events if e["ph"] == "M"}
    assert {"decode", "GPU", "CPU"} <= names
    gpu = [e for e in events if e["ph"] == "X" and e["tid"] == 1]
    assert len(gpu) == 12 * (len(csv) - 1)
    assert any(e["ph"] == "X" and e["tid"] == 2 and e["name"] == "record" for e in events)
    times = [e["ts"] for e in events if e["ph"] == "X"]
    assert times == sorted(times)
    for tid in (1, 2):
        track = [e for e in events if e["ph"] == "X" and e["tid"] == tid]
        assert all(a["ts"] + a["dur"] <= b["ts"] + 1e-3 for a, b in zip(track, track[1:])), "no two at once on a track"


def test_without_timestamps_steps_are_timed_by_submission():
    text = succeed("profile", TINY, *SHORT, env=disabled("timestamps")).out
    assert "steps timed by submissions" in text and "no timestamps on this device" in text
    assert "each submitted alone, on the host's clock" in text
    assert "cost of measuring" not in text and "timestamps of its own" not in text


def test_compare(report_file, cpu_file):
    same = succeed("profile", "--compare", report_file, report_file).out
    assert "prefill | prefill" in same and "decode | decode" in same
    assert re.search(r"MatMulNBits|MatMul .*1\.00x", same)
    other = succeed("profile", "--compare", report_file, cpu_file).out
    assert "decode | run" in other and re.search("A is timed by (GPU timestamps|submissions), B by host:", other)


def refused(*arguments):
    result = sluice("profile", *arguments)
    assert result.code == 1, result.err
    assert len(result.err.strip().splitlines()) == 1, result.err
    return result.err


@pytest.mark.parametrize("content, words", [
    (b"", "empty"), (b"\x00\x01", "is not JSON"), (b"hello", "is not JSON"), (b"{}", "is no profile of ONNX Runtime"),
    (b"[1, 2]", "is no profile of ONNX Runtime"), (b'[{"cat": "Node", "ts": 1, "dur": 1},', "ends in the middle"),
    (b'[{"cat": "Session", "ts": 1}, {"cat": "Node", "name": "a_kernel_time", "ts": 1, "args": null}]', "is no profile of ONNX Runtime"),
    (b'[{"cat": "Session", "name": "model_run", "ts": 1, "dur": 1}]', "holds no node that ran"),
    (b'{"traceEvents": [{"name": "x", "ph": "X", "ts": 1, "cat": "gpu"}]}', "is no profile of ONNX Runtime"),
    (b'{"format": "sluice-profile-1", "source": "sluice", "model": "", "device": "", "library": "", "clock": "", "read_limit": 0, "phases": []}',
     "holds no steps"),
    (b'[{"cat": "Session", "ts": 0}, {"cat": "Node", "name": "a_kernel_time", "ts": 1, "dur": -5}]', "says that a took -5 us"),
    (b'[{"cat": "Session", "ts": 0}, {"cat": "Node", "name": "a_kernel_time", "ts": 1, "dur": 1e300}]', "says that a took 1e+300 us"),
    (b'{"format": "sluice-profile-9"}', "this version reads"), (b'{"format": "sluice-profile-1"}', "is no whole report"),
])
def test_files_that_are_no_profiles(tmp_path, content, words):
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    assert words in refused("--ort", file) and "bad.json" in refused("--ort", file)


def test_other_mistakes(tmp_path):
    assert "cannot be read" in refused("--ort", tmp_path / "none.json")
    assert "cannot be read" in refused("--ort", tmp_path)
    assert "holds 2 runs" in refused("--ort", FOLDER / "ort_webgpu.json", "--runs", 2, 3)
    assert "cannot be written" in refused("--ort", FOLDER / "ort_webgpu.json", "--html", tmp_path / "no/page.html")
    assert "cannot be written" in refused("nowhere", "--trace", tmp_path), "known before the model is"
    assert "context length" in refused(TINY, "--prompt-tokens", 100000, "-q")
    assert sluice("profile").code == 2
    assert sluice("profile", TINY, "--ort", "x").code == 2
    assert sluice("profile", TINY, "--phase", "sleep").code == 2
    assert sluice("profile", "--ort", FOLDER / "ort_webgpu.json", "--no-read-limit").code == 2


def test_the_package_gives_the_same(report_file):
    import sluice as package

    profile = package.Generator(TINY).profile([1, 2, 3], tokens=3, repeats=1, phase="decode", read_limit=False)
    assert "DECODE" in profile.text()
    assert [p["name"] for p in profile.data()["phases"]] == ["decode"]
    loaded = package.Profile.load(report_file)
    assert loaded.data() == json.loads(report_file.read_text())
    assert "decode | decode" in package.Profile.compare(profile, loaded)
    with pytest.raises(package.Error, match="cannot be read"):
        package.Profile.load("nowhere.json")


def profile_of_graph(op, rows=2):
    """A session's, of a graph of one operator."""
    import sluice as package

    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, 3])  # noqa: E731
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], "node")], "small", [value("x")], [value("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return package.Session(model.SerializeToString()).profile({"x": np.zeros((rows, 3), np.float32)}, read_limit=False)


def test_a_session_of_any_graph():
    profile = profile_of_graph("Softmax")
    assert "tok" not in profile.text()
    data = profile.data()
    assert data["model"] == "small"
    assert [o["name"] for o in data["phases"][0]["operators"]] == ["Softmax"]
    assert [t["direction"] for t in data["phases"][0]["transfers"]] == ["to device", "to host"]


@pytest.mark.parametrize("op, rows", [("Identity", 2), ("Softmax", 0)])
def test_a_model_without_steps(op, rows):
    import sluice as package

    with pytest.raises(package.Error, match="small has no steps to measure"):
        profile_of_graph(op, rows)
