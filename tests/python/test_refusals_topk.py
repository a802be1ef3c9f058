"""Graphs of one operator that Sluice must refuse: the message names the rule and the node."""

import subprocess

import numpy as np
import onnx
import pytest
from op_cases_topk import topk_refusals, type_refusals
from command import BUILD

REFUSALS = {name: (model, feeds, words, "test/") for name, model, feeds, words in topk_refusals()}
REFUSALS |= {name: (model, feeds, words, "test/" if names_node else "") for name, model, feeds, words, names_node in type_refusals()}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal(name, tmp_path):
    model, feeds, words, node = REFUSALS[name]
    (tmp_path / "in").mkdir()
    onnx.save(model, tmp_path / "model.onnx")
    for feed, array in feeds.items():
        np.save(tmp_path / "in" / f"{feed}.npy", array)
    (tmp_path / "list").write_text(f"{tmp_path / 'model.onnx'} {tmp_path / 'in'} {tmp_path / 'out'}\n")
    done = subprocess.run([BUILD / "run_graph", tmp_path / "list"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 1, f"exit {done.returncode} {done.stderr}"
    message = (tmp_path / "out/error.txt").read_text()
    assert words in message and node in message, message
