#!/usr/bin/env python3
"""Makes the tiny random models of this folder and exports them with onnxruntime-genai's builder, AfMoE's with tools/export_afmoe.py.

The three folders gptoss-webgpu, lfm2moe-webgpu and qwen3-webgpu came from elsewhere and are not made here; the others are the
same exporter's output for other architectures, targets, precisions and sizes. Weights are random with a fixed seed, so the text
means nothing: the folders are there for operators, shapes and numbers.

Needs torch, transformers and onnxruntime-genai==0.18.0 (not part of `make test`: the folders are committed):

    python tests/models/make_models.py              all models
    python tests/models/make_models.py NAME...      some of them
    python tests/models/make_models.py --ops        list the operators of every folder, with the attributes of the unusual ones
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOKENIZER = HERE / "qwen3-webgpu"
ONNX_FILE = "model.onnx"

# The tokenizer has 326 tokens; a vocabulary hardly larger keeps the files small.
TINY = dict(
    vocab_size=328, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    head_dim=16, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.12,
    tie_word_embeddings=False,
)
SMALL = dict(hidden_size=32, intermediate_size=64, num_attention_heads=2, num_key_value_heads=1)
GPTOSS = dict(
    TINY, intermediate_size=64, num_local_experts=8, num_experts_per_tok=4, sliding_window=32,
    layer_types=["sliding_attention", "full_attention"],
    rope_parameters={"rope_type": "yarn", "rope_theta": 150000.0, "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
                     "original_max_position_embeddings": 4096},
)
LFM2MOE = dict(
    TINY, layer_types=["conv", "full_attention"], moe_intermediate_size=32, num_experts=8, num_experts_per_tok=4,
    num_dense_layers=1, use_expert_bias=True, norm_topk_prob=True, conv_L_cache=3,
)
GRANITE = dict(
    TINY, layer_types=["attention", "attention"], shared_intermediate_size=96, num_local_experts=0, num_experts_per_tok=0,
    embedding_multiplier=6.0, attention_multiplier=0.2, residual_multiplier=0.3, logits_scaling=4.0, position_embedding_type="rope",
    mamba_n_heads=8, mamba_d_state=16,
)

AFMOE = dict(
    TINY, num_hidden_layers=4, global_attn_every_n_layers=3, num_dense_layers=1, num_experts=8, num_experts_per_tok=4, moe_intermediate_size=32, num_shared_experts=1,
    route_scale=2.826, sliding_window=32, mup_enabled=True,
)

ARCHITECTURES = {
    "gptoss": ("GptOssConfig", "GptOssForCausalLM", GPTOSS),
    "lfm2moe": ("Lfm2MoeConfig", "Lfm2MoeForCausalLM", LFM2MOE),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", TINY),
    "granite": ("GraniteMoeHybridConfig", "GraniteMoeHybridForCausalLM", GRANITE),
    "afmoe": ("AfmoeConfig", "AfmoeForCausalLM", AFMOE),
    "mistral": ("MistralConfig", "MistralForCausalLM", dict(TINY, sliding_window=32, layer_types=["sliding_attention"] * 2)),
}

# name, whose first word is the architecture: (changes of its configuration, precision, target, extra options of the builder)
MODELS = {
    "gptoss-cpu": (dict(num_local_experts=5, num_experts_per_tok=3), "int4", "cpu", []),
    "gptoss-f32-experts8": (
        dict(num_local_experts=3, num_experts_per_tok=2), "int4", "webgpu", ["use_webgpu_fp32=true", "moe_quant_type=int8"]),
    "lfm2moe-cpu": ({}, "int4", "cpu", []),
    "lfm2moe-cpu-float": (dict(SMALL, num_experts=6, num_experts_per_tok=3), "fp32", "cpu", []),
    "lfm2moe-block128": (
        dict(hidden_size=128, intermediate_size=128, moe_intermediate_size=128, num_experts=3, num_experts_per_tok=2, head_dim=32),
        "int4", "webgpu", ["block_size=128", "qmoe_block_size=128"]),
    "qwen3-cpu": ({}, "int4", "cpu", []),
    "qwen3-cpu-float": (SMALL, "fp32", "cpu", []),
    "qwen3-odd-block16": (
        dict(vocab_size=327, hidden_size=96, num_attention_heads=3, num_key_value_heads=1, head_dim=32), "int4", "webgpu",
        ["block_size=16"]),
    "qwen3-block64": (dict(head_dim=64, num_attention_heads=2, num_key_value_heads=1), "int4", "webgpu", ["block_size=64"]),
    "qwen3-int8": ({}, "int8", "webgpu", []),
    "qwen3-zero-points": (
        dict(intermediate_size=128, tie_word_embeddings=True), "int4", "webgpu",
        ["is_symmetric=false", "algo_config=rtn_last", "shared_embeddings=true"]),
    "qwen3-prune-graph": ({}, "int4", "webgpu", ["prune_lm_head=true", "enable_webgpu_graph=true"]),
    "granite-webgpu": ({}, "int4", "webgpu", []),
    "granite-cpu": (SMALL, "int4", "cpu", []),
    "mistral-cpu": (dict(hidden_size=48, num_attention_heads=3, num_key_value_heads=1), "int4", "cpu", []),
}

# name: (changes of its configuration, type of the checkpoint, options of tools/export_afmoe.py)
AFMOE_MODELS = {
    "afmoe-int4": ({}, "float32", ["--io-dtype", "float32", "--int4-values", "2"]),
    "afmoe-float": (
        dict(SMALL, num_hidden_layers=4, num_dense_layers=2, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=16,
             num_shared_experts=2, route_scale=1.5, mup_enabled=False,
             layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"]),
        "float32", ["--precision", "f32"]),
    "afmoe-webgpu": (
        dict(num_hidden_layers=3, num_dense_layers=0, num_experts=5, num_experts_per_tok=1, moe_intermediate_size=64,
             global_attn_every_n_layers=2, tie_word_embeddings=True), "bfloat16", ["--block-size", "64", "--int4-values", "2"]),
}


def make_hugging_face(name, folder):
    import torch
    import transformers

    config_class, model_class, options = ARCHITECTURES[name.split("-")[0]]
    torch.manual_seed(sum(name.encode()))
    config = getattr(transformers, config_class)(**{**options, **(MODELS.get(name) or AFMOE_MODELS[name])[0]})
    model = getattr(transformers, model_class)(config).eval()
    with torch.no_grad():
        for key, value in [*model.named_parameters(), *model.named_buffers()]:
            if "norm" in key and value.ndim == 1:
                value.copy_(1 + 0.2 * torch.randn_like(value))
            elif key.endswith(("expert_bias", "bias", "sinks", "router.gate.weight")):
                value.copy_(0.2 * torch.randn_like(value))
    if name in AFMOE_MODELS:
        model.to(getattr(torch, AFMOE_MODELS[name][1]))
    model.save_pretrained(folder)
    if config_class == "GptOssConfig":
        add_mxfp4_experts(folder / "model.safetensors", config)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / file, folder / file)


def add_mxfp4_experts(file, config):
    """The builder reads gpt-oss experts from the original 4-bit blocks only: adds random ones beside the float tensors."""
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(file)
    for layer in range(config.num_hidden_layers):
        for name, rows, columns in (("gate_up_proj", 2 * config.intermediate_size, config.hidden_size),
                                    ("down_proj", config.hidden_size, config.intermediate_size)):
            prefix = f"model.layers.{layer}.mlp.experts.{name}"
            blocks = (config.num_local_experts, rows, columns // 32)
            tensors[prefix + "_blocks"] = torch.randint(0, 256, (*blocks, 16), dtype=torch.uint8)
            tensors[prefix + "_scales"] = torch.randint(121, 124, blocks, dtype=torch.uint8)
    save_file(tensors, file, metadata={"format": "pt"})


def export(name):
    _, precision, target, extra = MODELS[name]
    out = HERE / name
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "hf"
        make_hugging_face(name, source)
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", source, "-o", out, "-p", precision, "-e", target,
                   "-c", Path(scratch) / "cache"]
        if extra:
            command += ["--extra_options", *extra]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}: the builder failed\n{done.stdout}\n{done.stderr}")


def export_afmoe(name):
    out = HERE / name
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "hf"
        make_hugging_face(name, source)
        shutil.rmtree(out, ignore_errors=True)
        subprocess.run([sys.executable, ROOT / "tools/export_afmoe.py", source, out, *AFMOE_MODELS[name][2]], check=True)
        shutil.copy(source / "config.json", out)
        save_transformers_results(source, out)


def save_transformers_results(source, out):
    """What transformers computes in float32 with the weights of the exported graph, dequantised: logits of a prompt and greedy tokens."""
    import numpy as np
    import torch
    import transformers

    sys.path.append(str(ROOT / "tests/python"))
    import afmoe
    import oracle

    model = transformers.AfmoeForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
    state = {name: torch.tensor(value) for name, value in afmoe.state_dict(out / ONNX_FILE).items()}
    model.load_state_dict(state, strict=True)
    prompt, ids, gaps = oracle.prompt_ids(70, 326), [], []
    with torch.no_grad():
        logits = model(torch.tensor([prompt])).logits[0].numpy()
        for _ in range(16):
            last = model(torch.tensor([[*prompt, *ids]])).logits[0, -1].numpy()
            second, best = np.sort(last)[-2:]
            ids.append(int(last.argmax()))
            gaps.append(best - second)
    np.savez_compressed(out / "transformers.npz", prompt=prompt, logits=logits.astype(np.float32), ids=ids, gaps=gaps)


COMMON_OPS = {"Add", "Mul", "Sub", "Cast", "Shape", "Reshape", "Unsqueeze", "Sigmoid", "Div", "Exp", "Neg"}


def print_ops():
    import onnx
    from onnx import helper

    for file in sorted(HERE.glob("**/*.onnx")):
        model = onnx.load(file, load_external_data=False)
        graph = model.graph
        types = {t.name: onnx.TensorProto.DataType.Name(t.data_type) + str(list(t.dims)) for t in graph.initializer}
        print(f"== {file.relative_to(HERE)}  opset {[(o.domain, o.version) for o in model.opset_import]} ir {model.ir_version}")
        for kind, values in (("in", graph.input), ("out", graph.output)):
            for v in values:
                dims = [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
                print(f"  {kind:3} {v.name}: {onnx.TensorProto.DataType.Name(v.type.tensor_type.elem_type)}{dims}")
        for (domain, op), count in sorted(Counter((n.domain, n.op_type) for n in graph.node).items()):
            print(f"  {count:3} x {domain + '::' if domain else ''}{op}")
        seen = set()
        for node in graph.node:
            if node.op_type in COMMON_OPS:
                continue
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            attributes = {k: ("..." if isinstance(v, onnx.TensorProto) else v) for k, v in attributes.items()}
            inputs = [types.get(i, "-" if i else "none") for i in node.input]
            line = f"      {node.op_type} {attributes} inputs {inputs} outputs {len(node.output)}"
            if line not in seen:
                seen.add(line)
                print(line)


def main():
    parser = argparse.ArgumentParser(description="Makes the tiny random models of this folder.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to make (default: all)")
    parser.add_argument("--ops", action="store_true", help="list the operators of every folder instead")
    options = parser.parse_args()
    if options.ops:
        return print_ops()
    for name in options.names or [*MODELS, *AFMOE_MODELS]:
        print(name, flush=True)
        export_afmoe(name) if name in AFMOE_MODELS else export(name)


if __name__ == "__main__":
    main()
