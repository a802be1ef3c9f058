"""The external data file of an exported model: each tensor that the graph asks for, made from the checkpoint's.

4-bit numbers are those of onnxruntime-genai's builder: symmetric, a block's scale is its entry of largest magnitude divided by -8 (so
that entry becomes exactly -8 times the scale), stored with 8 added, the lower half of a byte first. The scale is rounded to its stored
type before the numbers are, so that they are the nearest to what will be multiplied.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnx import helper

from afmoe_export import ExportError
from afmoe_export.checkpoint import Checkpoint, Tensor
from synth.data import DataFile, Fill, NoData
from synth.specs import Spec

PIECE = 1 << 20  # numbers in memory at once: as many as fit into a cache
LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


def quantise(rows: np.ndarray, block: int, scale_dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """(n, columns) float32 -> bytes (n, blocks, block / 2) and scales (n, blocks); the last block is filled up with zeros."""
    if rows.shape[1] % block:
        rows = np.pad(rows, [(0, 0), (0, -rows.shape[1] % block)])
    blocks = rows.reshape(len(rows), -1, block)
    high, low = blocks.max(axis=-1, keepdims=True), blocks.min(axis=-1, keepdims=True)
    with np.errstate(over="ignore"):
        scales = (np.where(high > -low, high, low) / -8 + 0).astype(scale_dtype)  # no -0
    numbers = blocks / np.where(scales == 0, np.inf, scales).astype(np.float32)
    np.rint(numbers, out=numbers)
    np.clip(numbers, -8, 7, out=numbers)
    numbers += 8
    stored = numbers.astype(np.uint8)
    return stored[..., ::2] | stored[..., 1::2] << 4, scales[..., 0]


class Sources:
    """Which tensors of the checkpoint a tensor of the graph is made from."""

    def __init__(self, checkpoint: Checkpoint, spec: Spec):
        self.checkpoint, self.s = checkpoint, spec
        h, width, kv_width = spec.hidden, spec.heads * spec.head_size, spec.kv_heads * spec.head_size
        self.matrices = {  # of a layer: shape in the checkpoint
            "attn.q_proj": ("self_attn.q_proj", width, h), "attn.k_proj": ("self_attn.k_proj", kv_width, h),
            "attn.v_proj": ("self_attn.v_proj", kv_width, h), "attn.gate_proj": ("self_attn.gate_proj", width, h),
            "attn.o_proj": ("self_attn.o_proj", h, width), "moe.router": ("mlp.router.gate", spec.experts, h),
        }
        for ours, theirs, size in (("mlp", "mlp", spec.dense_size), ("shared_expert", "mlp.shared_experts", spec.shared_size)):
            for part, shape in (("gate", (size, h)), ("up", (size, h)), ("down", (h, size))):
                self.matrices[f"{ours}.{part}_proj"] = (f"{theirs}.{part}_proj", *shape)
        self.vectors = {f"attn.{part}_norm.layernorm": (f"self_attn.{part}_norm", spec.head_size) for part in "qk"}
        for norm in ("input_layernorm", "post_attention_layernorm", "pre_mlp_layernorm", "post_mlp_layernorm"):
            self.vectors[norm] = (norm, h)

    def matrix(self, name: str) -> Tensor:
        """(rows, columns) of 'model.layers.0.attn.q_proj.MatMul.weight' and the like."""
        s, stem = self.s, name.removesuffix(".weight").removesuffix(".MatMul")
        if stem in ("lm_head", "model.embed_tokens"):
            return self.checkpoint.tensor(f"{'model.embed_tokens' if s.tied else stem}.weight", (s.vocab, s.hidden))
        layer, part = LAYER.fullmatch(stem).groups()
        theirs, *shape = self.matrices[part]
        return self.checkpoint.tensor(f"model.layers.{layer}.{theirs}.weight", tuple(shape))

    def vector(self, name: str) -> Tensor:
        layer, part = LAYER.fullmatch(name.removesuffix(".weight")).groups()
        if part == "moe.expert_bias":
            return self.checkpoint.tensor(f"model.layers.{layer}.mlp.expert_bias", (self.s.experts,))
        if part == "final_norm_layernorm":
            return self.checkpoint.tensor("model.norm.weight", (self.s.hidden,))
        theirs, size = self.vectors[part]
        return self.checkpoint.tensor(f"model.layers.{layer}.{theirs}.weight", (size,))

    def experts(self, name: str) -> Iterator[list[Tensor | tuple[Tensor, object]]]:
        """For each expert the parts of its matrix: gate and up, or down. One tensor for all experts comes with the index of the part."""
        s, find = self.s, self.checkpoint.tensor
        layer, part = LAYER.fullmatch(name).groups()
        base, down = f"model.layers.{layer}.mlp.experts", part.endswith("down_proj")
        size, whole = s.expert_size, (s.hidden, s.expert_size) if down else (2 * s.expert_size, s.hidden)
        packed = f"{base}.{'down_proj' if down else 'gate_up_proj'}"
        for i in range(s.experts):
            if packed in self.checkpoint:
                tensor = find(packed, (s.experts, *whole))
                yield [(tensor, i)] if down else [(tensor, np.s_[i, :size]), (tensor, np.s_[i, size:])]
            elif down:
                yield [(find(f"{base}.{i}.down_proj.weight", whole), np.s_[:])]
            else:
                yield [(find(f"{base}.{i}.{p}_proj.weight", (size, s.hidden)), np.s_[:]) for p in ("gate", "up")]


class CheckedSources(NoData):
    """Writes nothing; finds out whether the checkpoint has all that the graph asks for."""

    def __init__(self, sources: Sources):
        super().__init__()
        self.sources = sources

    def tensor(self, name: str, dtype: int, shape: list[int], fill: Fill) -> tuple[int, int]:
        stem, kind = split_name(name)
        if kind in ("vector", "float matrix", "int4 matrix"):
            self.sources.vector(stem) if kind == "vector" else self.sources.matrix(stem)
        elif kind.endswith("experts"):
            for _ in self.sources.experts(stem):
                pass
        return super().tensor(name, dtype, shape, fill)


def split_name(name: str) -> tuple[str, str]:
    """The name without its storage's suffix, and how the tensor is stored."""
    if ".moe.experts." in name:
        stem, _, suffix = name.rpartition(".")
        return stem, {"qweight": "int4 experts", "weight": "float experts", "scales": "scales", "bias": "zeros"}[suffix]
    for suffix, kind in (("_Q4", "int4 matrix"), ("_scales", "scales")):
        if name.endswith(suffix):
            return name.removesuffix(suffix), kind
    return name, "float matrix" if ".MatMul." in name or "embed_tokens" in name else "vector"


class CheckpointFile(DataFile):
    """Writes what the checkpoint holds, in pieces, so that memory holds one of them and never the model."""

    def __init__(self, path: Path, sources: Sources):
        super().__init__(path)
        self.sources, self.s = sources, sources.s
        self.io = np.dtype(self.s.io_dtype)
        self._scales: dict[str, np.ndarray] = {}  # of the matrices written last

    def tensor(self, name: str, dtype: int, shape: list[int], fill: Fill) -> tuple[int, int]:
        stem, kind = split_name(name)
        if kind == "scales":
            place = self.write(self._scales.pop(stem).reshape(shape))
        elif kind == "zeros":
            place = self.write(np.zeros(shape, self.io))
        elif kind == "vector":
            place = self.write(self.stored(self.sources.vector(stem)[:], stem))
        elif kind == "float matrix":
            place = self.write_pieces(self.float_pieces(stem))
        elif kind == "float experts":
            place = self.write_pieces(self.stored(rows, stem) for rows in self.expert_rows(stem))
        else:
            place = self.write_int4(stem, self.expert_rows(stem) if kind == "int4 experts" else self.matrix_rows(stem))
        wanted = np.prod(shape) * helper.tensor_dtype_to_np_dtype(dtype).itemsize
        assert place[1] == wanted, f"{name}: {place[1]} bytes instead of {wanted}"
        return place

    def write_int4(self, stem: str, pieces: Iterator[np.ndarray]) -> tuple[int, int]:
        scales = []

        def packed() -> Iterator[np.ndarray]:
            for rows in pieces:
                self.check(rows, stem)
                numbers, steps = quantise(rows, self.s.block_size, self.io)
                self.check(steps, stem)
                scales.append(steps)
                yield numbers

        place = self.write_pieces(packed())
        self._scales[stem] = np.concatenate(scales)
        return place

    def matrix_rows(self, stem: str) -> Iterator[np.ndarray]:
        source = self.sources.matrix(stem)
        step = max(1, PIECE // source.shape[1])
        return (source[i : i + step] for i in range(0, source.shape[0], step))

    def float_pieces(self, stem: str) -> Iterator[np.ndarray]:
        """The embedding as it is; what is multiplied by is stored as (columns, rows)."""
        if "embed_tokens" in stem:
            return (self.stored(rows, stem) for rows in self.matrix_rows(stem))
        source = self.sources.matrix(stem)
        step = max(1, PIECE // source.shape[0])
        return (self.stored(source[:, i : i + step].T, stem) for i in range(0, source.shape[1], step))

    def expert_rows(self, stem: str) -> Iterator[np.ndarray]:
        """Expert by expert: rows of gate and up in turn, or those of down."""
        for parts in self.sources.experts(stem):
            rows = [tensor[index] for tensor, index in parts]
            yield np.stack(rows, axis=1).reshape(-1, rows[0].shape[-1])

    def stored(self, values: np.ndarray, stem: str) -> np.ndarray:
        self.check(values, stem)
        with np.errstate(over="ignore"):
            rounded = values.astype(self.io)
        self.check(rounded, stem)
        return rounded

    @staticmethod
    def check(values: np.ndarray, stem: str) -> None:
        if not np.isfinite(values).all():
            why = "is beyond float16's range: export with float32 activations" if values.dtype == np.float16 else "is not a finite number"
            raise ExportError(f"{stem}: a weight or scale {why}")
