"""The exporter's int4 grid in PyTorch, so that training sees the rounding the export applies.

Blocks of 32 along the last axis. The element of the largest magnitude maps to code -8, so the scale
is signed; codes are rounded with the float32 scale and read back with its float16 rounding. The
exporter has two quantisers that differ in ties alone: one for the stacked expert weights, one for
plain matrices.
"""

import torch

BLOCK = 32


def round_to_int4(weight: torch.Tensor) -> torch.Tensor:
    """The values that the exported int4 weight stands for."""
    blocks = weight.float().unflatten(-1, (-1, BLOCK))
    codes, scale = expert_codes(blocks) if weight.ndim == 3 else matrix_codes(blocks)
    return (codes * scale.half().float()).flatten(-2)


def expert_codes(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First largest magnitude; division; halves to even."""
    scale = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True)) / -8
    divisor = torch.where(scale == 0, torch.ones_like(scale), scale)
    return torch.clamp(torch.round(blocks / divisor), -8, 7), scale


def matrix_codes(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The negative extreme where both are as large; product with the reciprocal; halves up."""
    largest, smallest = blocks.amax(-1, keepdim=True), blocks.amin(-1, keepdim=True)
    scale = torch.where(largest.abs() > smallest.abs(), largest, smallest) / -8
    inverse = torch.where(scale == 0, torch.zeros_like(scale), 1 / scale)
    return torch.clamp(torch.floor(blocks * inverse + 8.5), 0, 15) - 8, scale


def fake_quantize(weight: torch.Tensor) -> torch.Tensor:
    """Rounds in the forward pass and passes the gradient straight through."""
    return weight + (round_to_int4(weight) - weight).detach()


def is_quantized(name: str, weight: torch.Tensor) -> bool:
    """Which Lfm2Moe tensors the exporter stores in int4: all matrices but the router and the short convolution."""
    return weight.ndim >= 2 and not name.endswith(("feed_forward.gate.weight", "conv.conv.weight"))
