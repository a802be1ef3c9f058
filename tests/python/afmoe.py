"""An exported AfMoE graph's weights under the names of transformers' AfmoeForCausalLM, dequantised; and checkpoints made of them."""

import json

import numpy as np
import onnx
from onnx import helper, numpy_helper

RENAMED = {"attn.": "self_attn.", "shared_expert.": "mlp.shared_experts.", "moe.router": "mlp.router.gate", "moe.expert": "mlp.expert"}
SAFETENSORS = {"F32": np.float32, "F16": np.float16}


def hugging_face_name(name, layers):
    """'model.layers.0.self_attn.q_proj.weight' for 'model.layers.0.attn.q_proj.MatMul.weight'."""
    name = name.replace(".MatMul.", ".").replace("_norm.layernorm.", "_norm.")
    name = name.replace(f"model.layers.{layers}.final_norm_layernorm", "model.norm")
    if name.startswith("model.layers."):
        _, _, layer, part = name.split(".", 3)
        for ours, theirs in RENAMED.items():
            if part.startswith(ours):
                part = part.replace(ours, theirs, 1)
                break
        name = f"model.layers.{layer}.{part}"
    return name.removesuffix(".weight") if ".experts." in name else name


def dequantise(packed, scales, columns):
    """4-bit numbers around 8, two a byte, the lower half first; the last axes of `packed` are (blocks, bytes) or their product."""
    rows = scales.shape[:-1]
    numbers = np.stack([packed & 15, packed >> 4], axis=-1).reshape(*rows, scales.shape[-1], -1).astype(np.float32) - 8
    return (numbers * scales[..., None].astype(np.float32)).reshape(*rows, -1)[..., :columns]


def halves(experts):
    """Rows of gate and up in turn -> all of gate, then all of up."""
    return np.concatenate([experts[:, ::2], experts[:, 1::2]], axis=1)


def state_dict(file):
    """{name: float32 array}, with the experts of a layer in one tensor."""
    graph = onnx.load(file).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    columns = {n.input[1]: helper.get_attribute_value(a) for n in graph.node for a in n.attribute if n.op_type == "MatMulNBits" and a.name == "K"}
    layers = sum(n.op_type == "GroupQueryAttention" for n in graph.node)
    state = {}
    for name, value in tensors.items():
        if name.endswith(("_scales", ".scales", "_cache", "experts.gate_up_proj.bias", "experts.down_proj.bias")):
            continue
        if name.endswith("_Q4"):
            stem = name.removesuffix("_Q4")
            value = dequantise(value, tensors[stem + "_scales"], columns.get(name))
        elif name.endswith(".qweight"):
            stem = name.removesuffix(".qweight")
            value = dequantise(value, tensors[stem + ".scales"], None)
        else:
            stem, value = name, value.astype(np.float32)
            value = value.T if name.endswith(".MatMul.weight") else value
        state[hugging_face_name(stem, layers)] = halves(value) if "gate_up_proj" in name else value
    state.setdefault("model.embed_tokens.weight", state["lm_head.weight"])
    return state


def split_experts(state):
    """The same tensors with one a projection of an expert, as published checkpoints have them."""
    for name, value in state.items():
        if ".experts." not in name:
            yield name, value
            continue
        base, _, part = name.rpartition(".")
        for i, expert in enumerate(value):
            parts = {"down": expert} if part == "down_proj" else dict(zip(("gate", "up"), np.split(expert, 2)))
            for projection, rows in parts.items():
                yield f"{base}.{i}.{projection}_proj.weight", rows


def encode(value, dtype):
    if dtype == "BF16":  # cut off: exact for values that are bfloat16 already
        return (np.ascontiguousarray(value).view(np.uint32) >> 16).astype(np.uint16)
    return value.astype(SAFETENSORS[dtype])


def write_safetensors(file, tensors, dtype="F32"):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, value in tensors.items():
        raw = encode(value, dtype).tobytes()
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
