"""sluice.backend: ONNX's node tests for every operator of the table, in one process, and the interface itself."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import onnx_nodes
import pytest
import sluice
from onnx import TensorProto, helper
from sluice import backend

UPDATE = "to pin what changed: .deps/venv/bin/python tests/python/onnx_nodes.py --update"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """{test: [state, text]} and the operators that no test has; a crash is told with the test that it came in."""
    file = tmp_path_factory.mktemp("nodes") / "results.json"
    done = subprocess.run([sys.executable, onnx_nodes.__file__, "--json", file], capture_output=True, text=True, timeout=900)
    assert file.exists(), f"exit {done.returncode} after: {done.stderr[-500:]}"
    print(done.stdout)
    return json.loads(file.read_text())


def test_no_wrong_numbers(ran):
    wrong = {name: text for name, (state, text) in ran["results"].items() if state == "wrong"}
    assert not wrong


def test_counts_and_refusals_are_pinned(ran):
    pinned, actual = json.loads(onnx_nodes.PINNED.read_text()), onnx_nodes.summary(ran["results"])
    old, new = pinned["reasons"], actual["reasons"]
    changed = [f"{name}: {old.get(name, 'passed')} -> {new.get(name, 'passed')}" for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    assert not changed, "\n".join([UPDATE, *changed])
    assert actual == pinned, UPDATE


def test_operators_without_a_node_test_are_not_of_onnx(ran):
    ours = {"SimplifiedLayerNormalization"}  # in ai.onnx's domain by an old habit of exporters
    assert {name for name in ran["untested"] if "." not in name} <= ours


# --- the interface -----------------------------------------------------------------------------------------------------------------


def model_of(node, **inputs):
    graph = helper.make_graph([node], "test", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])


def test_prepare_and_run_model():
    model, a, b = model_of(helper.make_node("Sub", ["a", "b"], ["y"]), a=["n"], b=["n"]), np.ones(3, np.float32), np.arange(3, dtype=np.float32)
    prepared = backend.prepare(model)
    for inputs in ([a, b], {"b": b, "a": a}):
        np.testing.assert_array_equal(prepared.run(inputs).y, a - b)
    np.testing.assert_array_equal(backend.run_model(model, [a, b])[0], a - b)
    with pytest.raises(sluice.Error, match="2 inputs, got 3"):
        prepared.run([a, b, a])
    with pytest.raises(sluice.Error, match='input "b" is missing'):
        prepared.run([a])


def test_run_node():
    x = np.array([[1, -2, 3]], np.float32)
    values, indices = backend.run_node(helper.make_node("TopK", ["x", "k"], ["v", "i"], axis=-1), [x, np.array([2])])
    np.testing.assert_array_equal(values, [[3, 1]])
    np.testing.assert_array_equal(indices, [[2, 0]])
    (y,) = backend.run_node(helper.make_node("Clip", ["x", "", "max"], ["y"]), [x, np.array(2, np.float32)])
    np.testing.assert_array_equal(y, [[1, -2, 2]])
    (y,) = backend.run_node(helper.make_node("QuickGelu", ["x"], ["y"], domain="com.microsoft", alpha=1.0), {"x": x})
    np.testing.assert_allclose(y, x / (1 + np.exp(-x)), rtol=1e-5)


def test_devices():
    name = sluice.Device().info.name
    assert all(map(backend.supports_device, ("CPU", "WEBGPU", f"WEBGPU:{name}")))
    assert not backend.supports_device("CUDA") and not backend.supports_device("WEBGPU:no such device")
    with pytest.raises(sluice.Error, match='"CUDA:0" is not supported'):
        backend.prepare(model_of(helper.make_node("Neg", ["x"], ["y"]), x=[1]), "CUDA:0")


def test_external_data(tmp_path):
    model = model_of(helper.make_node("Add", ["x", "w"], ["y"]), x=[4])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.arange(4, dtype=np.float32), "w"))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="w", size_threshold=0)
    stored = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    (y,) = backend.run_model(stored, [np.ones(4, np.float32)], folder=os.fspath(tmp_path))
    np.testing.assert_array_equal(y, np.arange(4) + 1)
