"""Devices that bind little of a buffer at once, or have little memory: small limits forced upon small models."""

import json
import os
import re

import numpy as np
import onnx
import pytest
from command import DEMO, MODELS, sluice, succeed

PROMPT = "5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24"


def limited(**variables):
    return {**os.environ, **{f"SLUICE_{name.upper()}": str(value) for name, value in variables.items()}}


def run(model, folder, env=None):
    """Greedy tokens and the logits of a prompt, which runs as one chunk and in tokens of its own."""
    logits = folder / "logits.npy"
    ids = succeed("run", model, "--prompt-ids", PROMPT, "-q", "--greedy", "-n", 12, "--output", "ids", "--chunk", 10, "--logits", logits,
                  env=env).ids
    return ids, np.load(logits)


# --- tensors beyond a binding ------------------------------------------------------------------------------------------------------


def largest_weight(model):
    """Bytes of the largest initializer."""
    graph = onnx.load(model / json.loads((model / "genai_config.json").read_text())["model"]["decoder"]["filename"], load_external_data=False).graph
    sizes = []
    for tensor in graph.initializer:
        length = [int(entry.value) for entry in tensor.external_data if entry.key == "length"]
        sizes.append(length[0] if length else len(tensor.raw_data))
    return max(sizes)


@pytest.mark.parametrize("name, limit", [("gptoss-webgpu", 16384), ("qwen3-cpu-float", 20480), ("lfm2moe-webgpu", 20480),
                                         ("qwen3-odd-block16", 20480), ("granite-webgpu", 20480), ("demo", 262144)])
def test_models_in_parts(name, limit, tmp_path):
    model = DEMO if name == "demo" else MODELS / name
    if name != "demo" and {"f16", "large-limits"} & set(os.environ.get("SLUICE_DISABLE", "").split(",")):
        pytest.skip("caches in float32, or parts of 256 rows, are larger than this limit by themselves")
    assert largest_weight(model) > limit, "the limit splits nothing"
    ids, logits = run(model, tmp_path)
    split_ids, split_logits = run(model, tmp_path, limited(max_binding=limit))
    np.testing.assert_allclose(split_logits, logits, rtol=0, atol=5e-3 * np.abs(logits).max())
    assert split_ids == ids


def test_what_cannot_be_split_is_named(tmp_path):
    refused = sluice("run", DEMO, "--prompt-ids", "1", env=limited(max_binding=4096))
    assert refused.code == 1 and "the device binds at most 4096 at once" in refused.err, refused.err


# --- memory ------------------------------------------------------------------------------------------------------------------------


def test_a_model_that_does_not_fit_is_refused_with_the_sum():
    refused = sluice("run", DEMO, "--prompt", "x", env=limited(memory="8MiB"))
    assert refused.code == 1
    assert re.search(r"does not fit on .*: weights [\d.]+ MiB \+ cache .* \+ outputs .* \+ working memory .* = [\d.]+ MiB, "
                     r"the device has 8.00 MiB", refused.err), refused.err


def test_inspect_says_how_much_context_fits():
    whole = succeed("inspect", DEMO, env=limited(memory="1GiB")).out
    assert re.search(r"needs [\d.]+ MiB of 1.00 GiB: fits, up to 1024 tokens of cache", whole), whole
    assert "does not fit" in succeed("inspect", DEMO, env=limited(memory="4MiB")).out
    assert "is not known" in succeed("inspect", DEMO, env=limited(memory=0)).out


def test_peak_is_what_inspect_reckons():
    """With the cache at the length that inspect reckons with: the model's own context."""
    report = succeed("inspect", DEMO).out
    needs = float(re.search(r"needs ([\d.]+) MiB", report)[1]) * 2**20
    ids = ",".join(str(3 + i % 200) for i in range(700))
    memory = json.loads(succeed("run", DEMO, "-q", "--prompt-ids", ids, "-n", 2, "--output", "json").out)["memory"]
    assert memory["peak"] >= memory["live"] > memory["weights"] + memory["cache"]
    assert abs(memory["peak"] - needs) < 0.05 * needs


def test_bad_numbers_are_refused():
    for name, value in (("memory", "8GB"), ("max_binding", "many"), ("max_binding", "100")):
        refused = sluice("inspect", DEMO, env=limited(**{name: value}))
        assert refused.code == 1 and f"SLUICE_{name.upper()}" in refused.err, refused.err
