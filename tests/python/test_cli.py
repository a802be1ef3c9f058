"""The command from end to end: output, exit codes, mistakes in flags, broken models."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from command import DEMO, MODELS, PROGRAM, sluice, succeed

TINY = MODELS / "qwen3-cpu"
COMMON_WORDS = {"the", "and", "of", "to", "in", "that", "he", "they", "his", "him", "shall", "was", "is", "it", "not", "with", "for", "be", "a",
                "them", "unto", "i", "all", "their", "from", "said", "which", "ye", "thou", "my", "will", "as", "were", "but", "upon", "had"}


def run_ids(*arguments, model=TINY, **options):
    return succeed("run", model, "--prompt-ids", "5,6,7", "-q", *arguments, **options)


# --- text --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo_text():
    return succeed("run", DEMO, "--prompt", "In the beginning", "--max-tokens", 80, "--seed", 1)


def test_demo_writes_english(demo_text):
    words = re.findall(r"[a-z']+", demo_text.out.lower())
    assert len(words) >= 40, demo_text.out
    assert "\ufffd" not in demo_text.out
    assert sum(w in COMMON_WORDS for w in words) / len(words) > 0.25, demo_text.out
    assert 3 < np.mean([len(w) for w in words]) < 6.5, demo_text.out
    assert len(set(words)) > len(words) / 4, demo_text.out


def test_closing_line(demo_text):
    assert len(demo_text.err.strip().splitlines()) == 1, demo_text.err
    assert re.search(r"tok/s", demo_text.err), demo_text.err


def test_same_seed_same_text(demo_text):
    again = succeed("run", DEMO, "--prompt", "In the beginning", "--max-tokens", 80, "--seed", 1)
    other = succeed("run", DEMO, "--prompt", "In the beginning", "--max-tokens", 80, "--seed", 2, "--temperature", 1)
    assert again.out == demo_text.out
    assert other.out != demo_text.out


def test_outputs_agree():
    ids = run_ids("--greedy", "--max-tokens", 12, "--output", "ids").ids
    text = run_ids("--greedy", "--max-tokens", 12).out
    whole = json.loads(run_ids("--greedy", "--max-tokens", 12, "--output", "json").out)
    assert whole["ids"] == ids and len(ids) == 12
    assert whole["text"] == text.removesuffix("\n")
    assert whole["prompt_ids"] == [5, 6, 7]
    assert (whole["prompt_tokens"], whole["new_tokens"], whole["finish_reason"]) == (3, 12, "length")
    assert whole["device"] and min(whole["load_seconds"], whole["prompt_seconds"], whole["decode_seconds"]) > 0


def test_temperature_zero_is_greedy():
    assert run_ids("--temperature", 0, "--output", "ids", "-n", 8).ids == run_ids("--greedy", "--output", "ids", "-n", 8).ids


def test_top_k_one_is_greedy():
    sampled = run_ids("--temperature", 2, "--top-k", 1, "--seed", 3, "--output", "ids", "-n", 8).ids
    assert sampled == run_ids("--greedy", "--output", "ids", "-n", 8).ids


def test_seeds_sample_differently():
    texts = {tuple(run_ids("--temperature", 1.5, "--seed", seed, "--output", "ids", "-n", 16).ids) for seed in (1, 2, 3)}
    assert len(texts) == 3


def test_repetition_penalty_changes_the_text():
    model = MODELS / "lfm2moe-webgpu"  # repeats one token for ever
    plain = run_ids("--greedy", "--output", "ids", "-n", 12, model=model).ids
    assert len(set(plain)) < len(plain)
    penalised = run_ids("--greedy", "--output", "ids", "-n", 12, "--repetition-penalty", 3, model=model).ids
    assert len(set(penalised)) > len(set(plain))


def test_stop_string():
    text = json.loads(succeed("run", DEMO, "--prompt", "In the beginning", "--greedy", "-n", 40, "--output", "json", "-q").out)["text"]
    stop = text[len(text) // 2:len(text) // 2 + 5]
    stopped = json.loads(
        succeed("run", DEMO, "--prompt", "In the beginning", "--greedy", "-n", 40, "--output", "json", "-q", "--stop", stop).out)
    assert stopped["text"] == text[:text.index(stop)]
    assert stopped["finish_reason"] == "stop_string"


def test_no_new_tokens(tmp_path):
    result = run_ids("--max-tokens", 0, "--logits", tmp_path / "logits.npy")
    assert result.out == ""
    logits = np.load(tmp_path / "logits.npy")
    assert logits.shape == (3, 328) and logits.dtype == np.float32 and np.isfinite(logits).all()


def test_interrupt_ends_cleanly():
    command = [str(PROGRAM), "run", str(DEMO), "--prompt", "In the beginning", "--max-tokens", "100000", "--temperature", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(20)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert time.monotonic() - begin < 5
    assert b"tok/s" in err


# --- chat ----------------------------------------------------------------------------------------------------------------------------


def test_chat_from_a_pipe():
    result = succeed("chat", DEMO, "--greedy", "-n", 12, "-q", stdin="Who made the earth?\nAnd the sea?\n")
    assert len(result.out.strip().splitlines()) >= 2
    again = succeed("chat", DEMO, "--greedy", "-n", 12, "-q", stdin="Who made the earth?\n")
    assert result.out.startswith(again.out)


def test_chat_ends_at_the_end_of_input():
    result = succeed("chat", DEMO, "-n", 4, stdin="")
    assert result.out == ""


def test_chat_needs_a_template():
    result = sluice("chat", TINY, "-n", 4, stdin="Hello\n")
    assert result.code == 1
    assert "template" in result.err


# --- devices and inspect -----------------------------------------------------------------------------------------------------------


def test_devices():
    out = succeed("devices").out
    assert out.startswith("0: ")
    for word in ("driver", "library", "limits", "subgroups", "features"):
        assert word in out


def test_inspect_counts_operators():
    out = succeed("inspect", MODELS / "gptoss-webgpu").out
    for word in ("QMoE", "GroupQueryAttention", "MatMulNBits", "input_ids", "logits"):
        assert word in out
    assert re.search(r"\b7\b.*MatMulNBits|MatMulNBits.*\b7\b", out)


@pytest.mark.parametrize("name", sorted(f.parent.name for f in MODELS.glob("*/genai_config.json")))
def test_inspect_takes_every_model(name):
    assert "MatMul" in succeed("inspect", MODELS / name).out


def test_help_and_version():
    assert re.match(r"sluice \d+\.\d+\.\d+", succeed("--version").out)
    assert "run" in succeed("--help").out
    assert "--prompt" in succeed("run", "--help").out


# --- wrong usage: exit 2, one message, nothing on stdout -----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, named", [
    ([], ""),
    (["walk"], "walk"),
    (["run"], "model"),
    (["run", TINY], "--prompt"),
    (["run", TINY, "--prompt", "a", "--prompt-ids", "5"], "--prompt"),
    (["run", TINY, "--prompt-ids", "5", "--max-tokens", "many"], "--max-tokens"),
    (["run", TINY, "--prompt-ids", "5", "--max-tokens", "-1"], "--max-tokens"),
    (["run", TINY, "--prompt-ids", "five"], "--prompt-ids"),
    (["run", TINY, "--prompt-ids", "5", "--output", "xml"], "--output"),
    (["run", TINY, "--prompt-ids", "5", "--speed", "9"], "--speed"),
    (["run", TINY, "--prompt-ids", "5", "--temperature", "-1"], "--temperature"),
    (["run", TINY, "--prompt-ids", "5", "--temperature", "nan"], "--temperature"),
    (["run", TINY, "--prompt-ids", "5", "--top-p", "1.5"], "--top-p"),
    (["run", TINY, "--prompt-ids", "5", "--min-p", "-0.1"], "--min-p"),
    (["run", TINY, "--prompt-ids", "5", "--repetition-penalty", "0"], "--repetition-penalty"),
    (["run", TINY, "--prompt-ids", "5", "--chunk", "0"], "--chunk"),
    (["run", TINY, "--prompt-ids", "5", "--seed", "-1"], "--seed"),
    (["run", TINY, "--prompt-ids", "5", "--seed", str(2**64)], "--seed"),
    (["run", TINY, "--prompt-ids", "5", "--stop", ""], "--stop"),
    (["inspect"], "model"),
    (["bench", TINY, "-p", "0", "-n", "0"], "--new-tokens"),
    (["profile"], "--ort"),
    (["profile", TINY, "--phase", "sleep"], "--phase"),
    (["profile", TINY, "--runs", "1", "2"], "--runs"),
    (["profile", "--ort", "profile.json", "--tokens", "4"], "--tokens"),
    (["profile", "--compare", "one.json", "two.json", "--html", "page.html"], "--html"),
], ids=lambda value: " ".join(map(str, value[2:] or value)) if isinstance(value, list) else None)
def test_wrong_usage(arguments, named):
    result = sluice(*arguments)
    assert result.code == 2, result.err
    assert named in result.err
    assert result.out == ""
    assert 0 < len(result.err.strip().splitlines()) <= 3, result.err


# --- broken input and models: exit 1, one message that says what and where -----------------------------------------------------------


def refused(*arguments, **options):
    result = sluice(*arguments, **options)
    assert result.code == 1, f"exit {result.code}\n{result.out}{result.err}"
    assert result.err.startswith("sluice: "), result.err
    return result.err


def copy_of(tmp_path, name="qwen3-cpu"):
    return shutil.copytree(MODELS / name, tmp_path / name)


def refused_model(folder):
    return refused("run", folder, "--prompt-ids", "5", "-n", 1)


def test_no_such_folder(tmp_path):
    assert "nowhere" in refused_model(tmp_path / "nowhere")


def test_folder_without_a_model(tmp_path):
    assert str(tmp_path) in refused_model(tmp_path)


def test_token_outside_the_vocabulary():
    assert "328" in refused("run", TINY, "--prompt-ids", "5,328", "-n", 1)


def test_prompt_longer_than_the_context():
    assert "512" in refused("run", TINY, "--prompt-ids", ",".join(["5"] * 513), "-n", 1)


def test_generation_ends_at_the_context():
    whole = json.loads(succeed("run", TINY, "--prompt-ids", ",".join(["5"] * 508), "-n", 100, "--temperature", 1, "--output", "json", "-q").out)
    assert whole["new_tokens"] <= 5


@pytest.mark.parametrize("file", ["model.onnx", "model.onnx.data"])
def test_missing_file(file, tmp_path):
    folder = copy_of(tmp_path)
    (folder / file).unlink()
    assert file in refused_model(folder)


def test_missing_tokenizer(tmp_path):
    folder = copy_of(tmp_path)
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json" in refused("run", folder, "--prompt", "a", "-n", 1)
    assert succeed("run", folder, "--prompt-ids", "5", "-n", 2, "--output", "ids", "-q", "--greedy").ids


@pytest.mark.parametrize("file", ["model.onnx", "model.onnx.data", "genai_config.json", "tokenizer.json"])
def test_truncated_file(file, tmp_path):
    folder = copy_of(tmp_path)
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:len(content) * 2 // 3])
    assert file in refused("run", folder, "--prompt", "a", "-n", 1)


def edited(tmp_path, edit, name="qwen3-cpu"):
    folder = copy_of(tmp_path, name)
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    edit(model.graph)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder


def test_every_obstacle_is_named(tmp_path):
    def edit(graph):
        for node, op in zip([n for n in graph.node if n.op_type == "Sigmoid"], ("Frobnicate", "Twist")):
            node.op_type = op

    message = refused_model(edited(tmp_path, edit))
    for word in ("Frobnicate", "Twist", "/model/layers.0/mlp/act_fn", "/model/layers.1/mlp/act_fn"):
        assert word in message


def test_unsupported_attribute_names_the_node(tmp_path):
    def edit(graph):
        node = next(n for n in graph.node if n.op_type == "MatMulNBits")
        next(a for a in node.attribute if a.name == "bits").i = 3

    message = refused_model(edited(tmp_path, edit))
    assert "bits" in message and "/model/layers.0/attn/qkv_proj" in message


def test_external_data_may_not_leave_the_folder(tmp_path):
    def edit(graph):
        for tensor in graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = "../weights.data"

    folder = edited(tmp_path, edit)
    (folder / "model.onnx.data").rename(tmp_path / "weights.data")
    assert "../weights.data" in refused_model(folder)


def test_external_data_beyond_the_file(tmp_path):
    def edit(graph):
        entry = next(e for t in graph.initializer for e in t.external_data if e.key == "offset")
        entry.value = str(2**62)

    assert "model.onnx.data" in refused_model(edited(tmp_path, edit))


def test_cycle(tmp_path):
    def edit(graph):
        first = next(n for n in graph.node if n.op_type == "Sigmoid")
        first.input[0] = graph.node[-1].output[0]
        graph.node.append(helper.make_node("Add", [first.output[0], first.output[0]], ["loop"]))

    assert "cycle" in refused_model(edited(tmp_path, edit)).lower()


def test_missing_initializer(tmp_path):
    def edit(graph):
        del graph.initializer[0]

    refused_model(edited(tmp_path, edit))


def test_no_such_device():
    assert "no-such-gpu" in refused("run", TINY, "--prompt-ids", "5", "-n", 1, "--device", "no-such-gpu")


def test_no_such_library(tmp_path):
    assert "libnothing.so" in refused("devices", "--webgpu-library", tmp_path / "libnothing.so")


def test_library_without_webgpu():
    library = Path(onnxruntime.__file__).parent / "capi/libonnxruntime_providers_shared.so"
    if not library.exists():
        pytest.skip("no library at hand that loads and is not WebGPU's")
    message = refused("devices", "--webgpu-library", library)
    assert library.name in message and "wgpuCreateInstance" in message and len(message) < 400


def test_unknown_feature_in_sluice_disable():
    assert "speed" in refused("run", TINY, "--prompt-ids", "5", "-n", 1, env={**os.environ, "SLUICE_DISABLE": "speed"})


def test_unwritable_logits(tmp_path):
    assert "nowhere" in refused("run", TINY, "--prompt-ids", "5", "-n", 0, "--logits", tmp_path / "nowhere/logits.npy")
