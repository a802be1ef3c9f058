"""Whole models: logits of prompts and greedy text through the real command, against ONNX Runtime in float32."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import oracle
import pytest
from command import MODELS, disabled, sluice, succeed

NAMES = sorted(f.parent.name for f in MODELS.glob("*/genai_config.json"))
STOP_TOKEN = 2
# The sliding windows are 32 tokens wide: 40 is longer than the window, 70 and 200 than it and the chunk together.
LENGTHS = {"short": 5, "window": 40, "chunks": 70, "long": 200}
# Computed in float32 with float activations, results differ by the order of sums alone.
EXACT = "f16,dot4i8"
# Largest difference of a logit in units of the logits' standard deviation. Half precision and int8 activations round, and where two
# experts are nearly tied that can choose another one: then a few positions may be further off.
EXACT_TOLERANCE, ROUNDED_TOLERANCE, ROUNDED_OUTLIERS = 2e-3, 0.15, 0.12


def model_file(name):
    return MODELS / name / "model.onnx"


def reference(name, length):
    model = oracle.load(model_file(name))
    return model, oracle.prompt_ids(length, min(model.vocabulary, 326), seed=length)


def run(name, prompt, *arguments, env):
    return succeed("run", MODELS / name, "--prompt-ids", ",".join(map(str, prompt)), "--greedy", "--output", "ids", "-q", *arguments, env=env)


def logits_and_ids(name, prompt, tmp_path, *arguments, env):
    """The prompt's logits and the greedy continuation, from one process."""
    file = tmp_path / "logits.npy"
    result = run(name, prompt, "--logits", file, *arguments, env=env)
    return np.load(file), result.ids


def assert_exact(actual, expected):
    worst = np.abs(actual - expected).max(axis=-1) / expected.std()
    assert worst.max() < EXACT_TOLERANCE, f"position {worst.argmax()} is off by {worst.max():.2e} standard deviations"


def outliers(actual, expected):
    """The share of positions whose worst logit is off, and how far the worst ones are."""
    worst = np.abs(actual - expected).max(axis=-1) / expected.std()
    return (worst > ROUNDED_TOLERANCE).mean(), f"off by {np.sort(worst)[::-1][:20].round(3)} standard deviations"


def assert_rounded(actual, expected, share=ROUNDED_OUTLIERS):
    assert np.isfinite(actual).all()
    found, text = outliers(actual, expected)
    assert found <= share, text


def as_exported(name, prompt):
    """Logits of the graph as the file has it on the CPU provider, which rounds activations to int8 where accuracy_level lets it."""
    session = onnxruntime.InferenceSession(model_file(name), providers=["CPUExecutionProvider"])
    sizes = {"batch_size": 1, "past_sequence_length": 0, "past_sliding_length": 0, "kv_cache_dim": 16}
    feeds = {"input_ids": np.array([prompt], np.int64), "attention_mask": np.ones((1, len(prompt)), np.int64)}
    for value in session.get_inputs():
        if value.name not in feeds:
            feeds[value.name] = np.zeros([sizes.get(d, d) for d in value.shape], np.float16 if "16" in value.type else np.float32)
    return session.run(["logits"], feeds)[0][0].astype(np.float32)


def int8_outliers(name, prompt, expected):
    """The CPU provider's own share of outliers, 0 where nothing is int8 or where it does not run the graph (norms in GroupQueryAttention)."""
    nodes = onnx.load(model_file(name), load_external_data=False).graph.node
    if not any(a.name == "accuracy_level" and a.i == 4 for node in nodes for a in node.attribute):
        return 0
    try:
        return outliers(as_exported(name, prompt), expected)[0]
    except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
        return 0


def assert_greedy(ids, model, prompt, count):
    """The same tokens up to the first near tie, where the two most probable logits are closer than the arithmetic is exact."""
    expected, gaps = model.greedy(prompt, count)
    near_tie = 4 * EXACT_TOLERANCE * model.logits(prompt).std()
    for step, (token, gap) in enumerate(zip(expected, gaps)):
        if gap < near_tie:
            return
        if token == STOP_TOKEN:
            assert ids[step:] == [], f"step {step} should have stopped"
            return
        assert ids[step:step + 1] == [token], f"step {step}: got {ids[step:step + 1]}, expected {token} by {gap:.4f}"
    assert len(ids) == count


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", NAMES)
def test_logits_and_greedy_text(name, length, tmp_path):
    """All at once in float32: every position's logits, then 32 tokens."""
    model, prompt = reference(name, LENGTHS[length])
    actual, ids = logits_and_ids(name, prompt, tmp_path, "--max-tokens", 32, env=disabled(EXACT))
    assert_exact(actual, model.logits(prompt))
    assert_greedy(ids, model, prompt, 32)


@pytest.mark.parametrize("name", NAMES)
def test_chunks(name, tmp_path):
    """200 tokens in chunks of 64 and a ragged tail of 8."""
    model, prompt = reference(name, LENGTHS["long"])
    actual, ids = logits_and_ids(name, prompt, tmp_path, "--max-tokens", 4, "--chunk", 64, env=disabled(EXACT))
    assert_exact(actual, model.logits(prompt))
    assert_greedy(ids, model, prompt, 4)


@pytest.mark.parametrize("name", NAMES)
def test_token_by_token(name, tmp_path):
    """One token at a time, through the kernels of decoding, gives what all at once gives."""
    model, prompt = reference(name, LENGTHS["chunks"])
    actual, _ = logits_and_ids(name, prompt, tmp_path, "--max-tokens", 0, "--chunk", 1, env=disabled(EXACT))
    assert_exact(actual, model.logits(prompt))


@pytest.mark.parametrize("name", NAMES)
def test_as_the_device_computes(name, tmp_path):
    """With whatever the device has: half precision, int8 dot products, subgroups. Where int8 is allowed, about as well as the CPU provider."""
    model, prompt = reference(name, LENGTHS["long"])
    actual, _ = logits_and_ids(name, prompt, tmp_path, "--max-tokens", 0, env=disabled())
    expected = model.logits(prompt)
    assert_rounded(actual, expected, ROUNDED_OUTLIERS + 2 * int8_outliers(name, prompt, expected))


@pytest.mark.parametrize("name", NAMES)
def test_token_by_token_as_the_device_computes(name, tmp_path):
    """The kernels of decoding, in which products at accuracy_level 4 are those of bytes."""
    model, prompt = reference(name, LENGTHS["window"])
    actual, _ = logits_and_ids(name, prompt, tmp_path, "--max-tokens", 0, "--chunk", 1, env=disabled())
    assert_rounded(actual, model.logits(prompt))


def test_oracle_changes_nothing():
    """The rewritten graph of the oracle means what the exported one means: both run on the CPU provider for this model."""
    model, prompt = reference("gptoss-webgpu", LENGTHS["long"])
    assert_rounded(as_exported("gptoss-webgpu", prompt), model.logits(prompt))


@pytest.fixture(scope="module")
def community(tmp_path_factory):
    """The layout of onnx-community repositories, made of two exports of one architecture: configuration at the root, variants in onnx/."""
    folder = tmp_path_factory.mktemp("community")
    (folder / "onnx").mkdir()
    for name, variant in (("qwen3-webgpu", "q4f16"), ("qwen3-zero-points", "q4")):
        model = onnx.load(model_file(name))
        onnx.save(model, folder / f"onnx/model_{variant}.onnx", save_as_external_data=True, location=f"model_{variant}.onnx_data", size_threshold=64)
    config = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 512, "vocab_size": 512, "bos_token_id": 1, "eos_token_id": 2}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": [2], "do_sample": False}))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODELS / "qwen3-webgpu" / file, folder)
    return folder


@pytest.mark.parametrize("variant, name", [("q4f16", "qwen3-webgpu"), ("q4", "qwen3-zero-points")])
def test_community_layout(community, variant, name):
    model, prompt = reference(name, LENGTHS["short"])
    result = succeed("run", community, "--variant", variant, "--prompt-ids", ",".join(map(str, prompt)), "--greedy", "--output", "ids", "-q",
                     "--max-tokens", 8, env=disabled(EXACT))
    assert_greedy(result.ids, model, prompt, 8)


def test_community_layout_names_the_variants(community):
    result = sluice("run", community, "--variant", "q8", "--prompt-ids", "5", "--max-tokens", 1)
    assert result.code == 1
    assert "q4f16" in result.err and "q8" in result.err


def test_profiles_name_the_models_folder(community):
    profile = ("profile", "--prompt-ids", "5", "-n", 1, "-r", 1, "--phase", "decode", "--no-read-limit", "--json", "-q")
    assert json.loads(succeed(*profile, community, "--variant", "q4f16").out)["model"] == community.name
    assert json.loads(succeed(*profile, f"{MODELS}/qwen3-cpu/../qwen3-cpu/").out)["model"] == "qwen3-cpu"
