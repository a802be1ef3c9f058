"""The external data file of a synthetic model: random numbers written tensor by tensor, much faster than they could be drawn.

One block of random numbers a kind is drawn once; a tensor is a run of pieces of it, each from another random place. So tensors differ,
nothing larger than the block is ever in memory, and the disk sets the speed.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

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
        return (self.size * values).astype(np.float16)


class Normal:
    """Normally distributed numbers around 0."""

    def __init__(self, std: float, dtype: type = np.float16):
        self.std, self.dtype = std, dtype

    def block(self, rng: np.random.Generator) -> np.ndarray:
        return (self.std * rng.standard_normal(BLOCK_NUMBERS, dtype=np.float32)).astype(self.dtype)


class Constant:
    """The same number everywhere."""

    def __init__(self, value: float):
        self.value = value

    def block(self, rng: np.random.Generator) -> np.ndarray:
        return np.full(BLOCK_NUMBERS, self.value, np.float16)


class DataFile:
    """Writes tensors one after the other, each at a multiple of ALIGNMENT."""

    def __init__(self, path: Path, seed: int):
        self.path = path
        self._file = open(path, "wb")
        self._rng = np.random.default_rng(seed)
        self._blocks: dict[tuple, np.ndarray] = {}

    def __enter__(self) -> "DataFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def write(self, array: np.ndarray) -> tuple[int, int]:
        """Appends an array and returns its offset and length in bytes."""
        offset = self._align()
        self._file.write(memoryview(np.ascontiguousarray(array)).cast("B"))
        return offset, array.nbytes

    def write_random(self, fill: Fill, count: int) -> tuple[int, int]:
        """Appends `count` numbers of a fill and returns their offset and length in bytes."""
        offset = self._align()
        block = self._block(fill)
        left = count
        while left:
            start = int(self._rng.integers(0, len(block) // 2))
            piece = block[start : start + left]
            self._file.write(memoryview(piece).cast("B"))
            left -= len(piece)
        return offset, count * block.itemsize

    def _align(self) -> int:
        offset = -(-self._file.tell() // ALIGNMENT) * ALIGNMENT
        self._file.seek(offset)
        return offset

    def _block(self, fill: Fill) -> np.ndarray:
        key = (type(fill), *vars(fill).values())
        if key not in self._blocks:
            self._blocks[key] = fill.block(self._rng)
        return self._blocks[key]
