"""The external data file of a model, and the random numbers of a synthetic one, written much faster than they could be drawn.

One block of random numbers a kind is drawn once; a tensor is a run of pieces of it, each from another random place. So tensors differ,
nothing larger than the block is ever in memory, and the disk sets the speed.
"""

from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np
from onnx import helper

ALIGNMENT = 4096  # what lets a reader map single tensors
BLOCK_BYTES = 16 << 20
BLOCK_NUMBERS = (1 << 20) + 7
INT4_STD = 4.61  # of a uniform integer of -8..7


class Fill(Protocol):
    """What a tensor holds: block() draws the random numbers that its values are taken from."""

    def block(self, rng: np.random.Generator) -> np.ndarray: ...


class RandomBytes:
    """Uniform bytes: two int4 weights each."""

    def block(self, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(0, 256, BLOCK_BYTES + 13, dtype=np.uint8)


class Int4Scales:
    """Scales that give int4 weights over `columns` inputs a standard deviation of gain / sqrt(columns).

    Signed, as exporters write them: an int4 number is -0.5 on average, and scales of one sign would add that up along a row.
    """

    def __init__(self, columns: int, gain: float):
        self.size = gain / (INT4_STD * columns**0.5)

    def block(self, rng: np.random.Generator) -> np.ndarray:
        values = rng.uniform(0.75, 1.25, BLOCK_NUMBERS) * rng.choice([-1.0, 1.0], BLOCK_NUMBERS)
        return self.size * values


class Normal:
    """Normally distributed numbers around 0."""

    def __init__(self, std: float):
        self.std = std

    def block(self, rng: np.random.Generator) -> np.ndarray:
        return self.std * rng.standard_normal(BLOCK_NUMBERS, dtype=np.float32)


class Constant:
    """The same number everywhere."""

    def __init__(self, value: float):
        self.value = value

    def block(self, rng: np.random.Generator) -> np.ndarray:
        return np.full(BLOCK_NUMBERS, self.value, np.float32)


class DataFile:
    """Writes tensors one after the other, each at a multiple of ALIGNMENT. A subclass says what a graph's tensors hold."""

    def __init__(self, path: Path):
        self.path = path
        self._file = open(path, "wb")

    def __enter__(self) -> "DataFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def tensor(self, name: str, dtype: int, shape: list[int], fill: Fill) -> tuple[int, int]:
        """Appends the tensor of that name and returns its offset and length in bytes; `fill` says what a synthetic one holds."""
        raise NotImplementedError

    def write(self, array: np.ndarray) -> tuple[int, int]:
        """Appends an array and returns its offset and length in bytes."""
        return self.write_pieces([array])

    def write_pieces(self, pieces: Iterable[np.ndarray]) -> tuple[int, int]:
        """Appends one tensor that comes piece by piece and returns its offset and length in bytes."""
        offset = -(-self._file.tell() // ALIGNMENT) * ALIGNMENT
        self._file.seek(offset)
        for piece in pieces:
            self._file.write(memoryview(np.ascontiguousarray(piece)).cast("B"))
        return offset, self._file.tell() - offset


class RandomFile(DataFile):
    """Every tensor is filled at random."""

    def __init__(self, path: Path, seed: int):
        super().__init__(path)
        self._rng = np.random.default_rng(seed)
        self._blocks: dict[tuple, np.ndarray] = {}

    def tensor(self, name: str, dtype: int, shape: list[int], fill: Fill) -> tuple[int, int]:
        block = self._block(fill, helper.tensor_dtype_to_np_dtype(dtype))
        return self.write_pieces(self._pieces(block, prod(shape)))

    def _pieces(self, block: np.ndarray, count: int) -> Iterable[np.ndarray]:
        while count:
            start = int(self._rng.integers(0, len(block) // 2))
            piece = block[start : start + count]
            yield piece
            count -= len(piece)

    def _block(self, fill: Fill, dtype: np.dtype) -> np.ndarray:
        key = (type(fill), *vars(fill).values(), dtype)
        if key not in self._blocks:
            self._blocks[key] = fill.block(self._rng).astype(dtype)
        return self._blocks[key]


class NoData(DataFile):
    """Writes nothing: for a graph whose operators alone are wanted."""

    def __init__(self):
        self.path = Path("model.onnx.data")

    def __exit__(self, *_) -> None:
        pass

    def tensor(self, name: str, dtype: int, shape: list[int], fill: Fill) -> tuple[int, int]:
        return 0, prod(shape) * helper.tensor_dtype_to_np_dtype(dtype).itemsize

    def write_pieces(self, pieces: Iterable[np.ndarray]) -> tuple[int, int]:
        return 0, sum(piece.nbytes for piece in pieces)
