"""tools/synth_model.py: every model at a small width against ONNX Runtime, and numbers that stay sane through all layers in float16."""

import subprocess
import sys

import numpy as np
import oracle
import pytest
from command import ROOT, disabled, succeed
from test_models import EXACT, assert_exact

NAMES = ("gpt-oss-20b", "trinity-nano", "lfm2-8b-a1b", "qwen3-30b-a3b")
SMALL = {"hidden": 128, "expert_size": 128, "heads": 4, "kv_heads": 2, "experts": 8, "top_k": 2, "vocab": 512, "context": 512}
EXTRA = {"trinity-nano": {"dense_size": 256, "shared_size": 128}, "lfm2-8b-a1b": {"dense_size": 256}}
PROMPT = oracle.prompt_ids(48, 512)


def synth(name, folder, *arguments, expect=0):
    settings = [f"--set={key}={value}" for key, value in (SMALL | EXTRA.get(name, {})).items()]
    command = [sys.executable, ROOT / "tools/synth_model.py", name, folder, *settings, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == expect, done.stderr
    return done.stderr


def logits(folder, tmp_path, **options):
    file = tmp_path / "logits.npy"
    succeed("run", folder, "-q", "--prompt-ids", ",".join(map(str, PROMPT)), "--greedy", "-n", 1, "--output", "ids", "--logits", file, **options)
    return np.load(file)


@pytest.mark.parametrize("block", (32, 64, 128))
@pytest.mark.parametrize("name", NAMES)
def test_means_what_onnx_runtime_computes(name, block, tmp_path):
    layers = 4 if name in EXTRA else 2  # the first two are dense
    synth(name, tmp_path / "model", "--layers", layers, "--block-size", block, "--seed", block)
    assert_exact(logits(tmp_path / "model", tmp_path, env=disabled(EXACT)), oracle.load(tmp_path / "model/model.onnx").logits(PROMPT))


@pytest.mark.parametrize("name", NAMES)
def test_sane_through_all_layers(name, tmp_path):
    """Logits of a few units that differ from token to token, after every layer: nothing overflows, nothing drowns."""
    synth(name, tmp_path / "model")
    rows = logits(tmp_path / "model", tmp_path)
    assert np.isfinite(rows).all()
    assert ((1 < rows.std(axis=1)) & (rows.std(axis=1) < 10)).all(), rows.std(axis=1)
    assert len(set(rows.argmax(axis=1))) > len(PROMPT) / 4
    assert np.abs(np.corrcoef(rows[1:]) - np.eye(len(rows) - 1)).mean() < 0.5


def test_mask_for_graph_capture_means_the_same(tmp_path):
    rows = []
    for arguments in ([], ["--graph-capture"]):
        synth("gpt-oss-20b", tmp_path / "model", "--layers", 2, *arguments)
        rows.append(logits(tmp_path / "model", tmp_path))
    np.testing.assert_array_equal(*rows)


def test_same_seed_same_bytes(tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        synth("gpt-oss-20b", tmp_path / folder, "--layers", 1, "--seed", seed)
    first, same, other = ((tmp_path / folder / "model.onnx.data").read_bytes() for folder in "abc")
    assert first == same != other


@pytest.mark.parametrize("arguments, words", [
    (["--layers", 25], "layers must be 1 to 24, got 25"),
    (["--set=hidden=100"], "hidden must be a multiple of the block size 32, got 100"),
    (["--set=top_k=9"], "top_k must be 1 to 8"),
    (["--set=nothing=1"], "no number is called 'nothing'"),
])
def test_refusals(arguments, words, tmp_path):
    assert words in synth("gpt-oss-20b", tmp_path / "model", *arguments, expect=2)
