"""How many dispatches a layer of the full-size models costs for one token: the difference of two models that differ in layers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import disabled, succeed

TOOL = Path(__file__).resolve().parents[2] / "tools/synth_model.py"
# Fewer experts and words: the sizes that the graph's structure does not depend on, so that any device can bind the tensors.
SMALL = ("vocab=1024", "experts=16")
# Model, settings, layers before and with the layer that is counted, dispatches of that layer at most.
LAYERS = [
    ("gpt-oss-20b", (), 1, 2, 7),
    ("qwen3-30b-a3b", (), 1, 2, 7),
    ("trinity-nano", ("dense_layers=0",), 1, 2, 9),
    ("trinity-nano", ("dense_layers=0",), 3, 4, 9),  # the layer without a window
    ("trinity-nano", ("dense_layers=0", "int4_values=0"), 1, 2, 9),  # values in float16
    ("lfm2-8b-a1b", (), 1, 2, 7),  # convolution and dense matrices
    ("lfm2-8b-a1b", ("dense_layers=0",), 2, 3, 7),  # attention
]


def dispatches(name, settings, layers, root):
    out = root / f"{name}-{layers}"
    options = [part for setting in (*SMALL, *settings) for part in ("--set", setting)]
    subprocess.run([sys.executable, TOOL, name, out, "--layers", str(layers), *options], check=True, capture_output=True)
    report = succeed("inspect", out, "--steps", env=disabled())
    return int(re.search(r"dispatches +(\d+)", report.out)[1]), report.out


@pytest.mark.parametrize("name, settings, before, layers, most", LAYERS)
def test_a_layer(name, settings, before, layers, most, tmp_path):
    fewer, _ = dispatches(name, settings, before, tmp_path)
    more, steps = dispatches(name, settings, layers, tmp_path)
    assert more - fewer <= most, steps
