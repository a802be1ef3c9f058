"""Reads the exported ONNX model's weights back into Lfm2MoeForCausalLM, the int4 ones dequantised."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from transformers import Lfm2MoeConfig, Lfm2MoeForCausalLM

from architecture import CONFIG
from quantization import BLOCK


def load_trained(checkpoint: Path) -> Lfm2MoeForCausalLM:
    return Lfm2MoeForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()


def load_exported(onnx_folder: Path) -> Lfm2MoeForCausalLM:
    """The architecture with every weight taken from the export."""
    model = Lfm2MoeForCausalLM(Lfm2MoeConfig(**CONFIG)).float().eval()
    missing, unexpected = model.load_state_dict(exported_state(onnx_folder, model.config), strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"the export does not cover the model: missing {missing}, unexpected {unexpected}")
    return model


def exported_state(onnx_folder: Path, config: Lfm2MoeConfig) -> dict[str, torch.Tensor]:
    graph = onnx.load(onnx_folder / "model.onnx").graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    state = {
        "model.embed_tokens.weight": matmul_weight(arrays, "lm_head"),
        "model.embedding_norm.weight": plain(
            arrays, f"model.layers.{config.num_hidden_layers}.final_norm_layernorm.weight"
        ),
    }
    for index, kind in enumerate(config.layer_types):
        layer = f"model.layers.{index}"
        mixer = conv_state(arrays, layer) if kind == "conv" else attention_state(arrays, layer, config)
        dense = index < config.num_dense_layers
        feed_forward = dense_state(arrays, layer) if dense else sparse_state(arrays, layer)
        norms = {
            "operator_norm.weight": plain(arrays, f"{layer}.operator_layernorm.weight"),
            "ffn_norm.weight": plain(arrays, f"{layer}.ffn_layernorm.weight"),
        }
        state |= {f"{layer}.{key}": value for key, value in (mixer | feed_forward | norms).items()}
    return state


def conv_state(arrays: dict[str, np.ndarray], layer: str) -> dict[str, torch.Tensor]:
    return {
        "conv.conv.weight": plain(arrays, f"{layer}.conv.conv.weight"),
        "conv.in_proj.weight": matmul_weight(arrays, f"{layer}.conv.in_proj"),
        "conv.out_proj.weight": matmul_weight(arrays, f"{layer}.conv.out_proj"),
    }


def attention_state(arrays: dict[str, np.ndarray], layer: str, config: Lfm2MoeConfig) -> dict[str, torch.Tensor]:
    head_size = config.hidden_size // config.num_attention_heads
    sizes = [head_size * heads for heads in (config.num_attention_heads, *[config.num_key_value_heads] * 2)]
    query, key, value = matmul_weight(arrays, f"{layer}.attn.qkv_proj").split(sizes)
    return {
        "self_attn.q_proj.weight": query,
        "self_attn.k_proj.weight": key,
        "self_attn.v_proj.weight": value,
        "self_attn.out_proj.weight": matmul_weight(arrays, f"{layer}.attn.o_proj"),
        "self_attn.q_layernorm.weight": plain(arrays, f"{layer}.attn.q_norm.layernorm.weight"),
        "self_attn.k_layernorm.weight": plain(arrays, f"{layer}.attn.k_norm.layernorm.weight"),
    }


def dense_state(arrays: dict[str, np.ndarray], layer: str) -> dict[str, torch.Tensor]:
    names = {"w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}
    return {f"feed_forward.{ours}.weight": matmul_weight(arrays, f"{layer}.mlp.{name}") for ours, name in names.items()}


def sparse_state(arrays: dict[str, np.ndarray], layer: str) -> dict[str, torch.Tensor]:
    moe = f"{layer}.moe"
    gate_up = expert_weight(arrays, f"{moe}.experts.gate_up_proj")
    interleaved = torch.cat((gate_up[:, 0::2], gate_up[:, 1::2]), dim=1)
    return {
        "feed_forward.experts.gate_up_proj": interleaved,
        "feed_forward.experts.down_proj": expert_weight(arrays, f"{moe}.experts.down_proj"),
        "feed_forward.gate.weight": plain(arrays, f"{moe}.router.MatMul.weight").T,
        "feed_forward.expert_bias": plain(arrays, f"{moe}.expert_bias"),
    }


def plain(arrays: dict[str, np.ndarray], name: str) -> torch.Tensor:
    return torch.from_numpy(arrays[name].astype(np.float32))


def matmul_weight(arrays: dict[str, np.ndarray], name: str) -> torch.Tensor:
    return dequantize(arrays[f"{name}.MatMul.weight_Q4"], arrays[f"{name}.MatMul.weight_scales"])


def expert_weight(arrays: dict[str, np.ndarray], name: str) -> torch.Tensor:
    if np.any(arrays[f"{name}.bias"]):
        raise ValueError(f"{name} has a bias, which Lfm2Moe does not")
    return dequantize(arrays[f"{name}.qweight"], arrays[f"{name}.scales"])


def dequantize(packed: np.ndarray, scales: np.ndarray) -> torch.Tensor:
    """Two codes a byte, the low nibble first; code 8 stands for zero; one scale for 32 values."""
    codes = np.stack((packed & 15, packed >> 4), axis=-1).astype(np.float32) - 8
    blocks = codes.reshape(*scales.shape, BLOCK) * scales[..., None].astype(np.float32)
    return torch.from_numpy(blocks.reshape(*scales.shape[:-1], -1))
