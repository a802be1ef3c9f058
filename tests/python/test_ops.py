"""Every operator of the exports, alone in a graph: Sluice against ONNX Runtime's CPU provider."""

import subprocess

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import oracle
import pytest
from op_cases import all_cases
from command import BUILD, disabled

CASES = {c.name: c for c in all_cases()}
# Of the largest number of the result: float32 sums in another order, float16 results are rounded once from sums in float32.
TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float16): 4e-3}


def expected_outputs(case):
    """ONNX Runtime's results in float32 arithmetic, in the types that the graph declares; of onnx's reference where it lacks a type."""
    if case.expected is not None:
        return case.expected
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    types = [o.type.tensor_type.elem_type for o in model.graph.output]
    oracle.to_float32(model)
    oracle.split_norms(model, windowed=True)
    oracle.widen_2bit_experts(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        session = onnx.reference.ReferenceEvaluator(model)
    feeds = {n: a.astype(np.float32) if a.dtype == np.float16 else a for n, a in case.feeds.items()}
    results = session.run(None, feeds)
    return {o.name: r.astype(onnx.helper.tensor_dtype_to_np_dtype(t)) for o, r, t in zip(model.graph.output, results, types)}


@pytest.fixture(scope="module")
def outputs(request, tmp_path_factory):
    """The graphs of all chosen cases, run by one process for its start-up time; {case: folder of results} and how it ended."""
    root = tmp_path_factory.mktemp("ops")
    lines, folders = [], {}
    chosen = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]
    for number, name in enumerate(chosen):
        case, folder = CASES[name], root / str(number)
        (folder / "in").mkdir(parents=True)
        onnx.save(case.model, folder / "model.onnx")
        for feed, array in case.feeds.items():
            np.save(folder / "in" / f"{feed}.npy", array)
        folders[name] = folder / "out"
        lines.append(f"{folder / 'model.onnx'} {folder / 'in'} {folder / 'out'}\n")
    (root / "list").write_text("".join(lines))
    done = subprocess.run([BUILD / "run_graph", root / "list"], env=disabled("dot4i8"), capture_output=True, text=True, timeout=900)
    return folders, f"run_graph: exit {done.returncode} {done.stderr}"


@pytest.mark.parametrize("name", CASES)
def test_operator(name, outputs):
    folders, ending = outputs
    error = folders[name] / "error.txt"
    assert not error.exists(), error.read_text()
    for output, expected in expected_outputs(CASES[name]).items():
        file = folders[name] / f"{output}.npy"
        assert file.exists(), ending
        actual = np.load(file)
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), output
        if output in CASES[name].undefined:
            actual[CASES[name].undefined[output]] = expected[CASES[name].undefined[output]] = 0
        if expected.dtype in TOLERANCE and not CASES[name].exact:
            limit = TOLERANCE[expected.dtype] * max(1.0, np.abs(expected.astype(np.float32)).max(initial=0))
            np.testing.assert_allclose(actual.astype(np.float32), expected.astype(np.float32), rtol=0, atol=limit, err_msg=output)
        else:
            np.testing.assert_array_equal(actual, expected, err_msg=output)
