"""Routers with sigmoid scores, joined into QMoE and node by node: layers of full size with the graphs of real exports."""

import re
import subprocess
import sys

import numpy as np
import pytest
from command import ROOT, disabled, succeed

IDS = "1,2,3,7,9,11,13,17,19,23,29"
MOST_DISPATCHES = {"trinity-nano": 52, "lfm2-8b-a1b": 36}  # of a token; node by node there are 96 and 78


@pytest.fixture(scope="module", params=MOST_DISPATCHES)
def model(request, tmp_path_factory):
    """Three layers, of which the first two are dense; in float32, where roundings elsewhere do not decide between experts, as bytes would."""
    folder = tmp_path_factory.mktemp("model") / request.param
    subprocess.run([sys.executable, ROOT / "tools/synth_model.py", request.param, folder, "--layers", "3", "--set", "vocab=2048",
                    "--io-dtype", "float32"], check=True,
                   capture_output=True, timeout=300)
    return folder


def logits(model, tmp_path, name, env):
    succeed("run", model, "--prompt-ids", IDS, "--max-tokens", 3, "--greedy", "--logits", tmp_path / f"{name}.npy", env=env)
    return np.load(tmp_path / f"{name}.npy").astype(np.float32)


def test_joined_as_node_by_node(model, tmp_path):
    joined, single = logits(model, tmp_path, "joined", disabled("dot4i8")), logits(model, tmp_path, "single", disabled("dot4i8,fusion"))
    np.testing.assert_allclose(joined, single, rtol=0, atol=1e-3 * np.abs(single).max())


def test_the_chain_vanishes_from_a_token(model):
    assert int(re.search(r"dispatches +(\d+)", succeed("inspect", model).out)[1]) <= MOST_DISPATCHES[model.name]
