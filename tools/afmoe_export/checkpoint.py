"""The tensors of a Hugging Face folder: *.safetensors files, mapped into memory and read piece by piece.

The format is read here, without its library, because that knows no bfloat16 without torch: 8 bytes with the header's length, the header
(JSON: name -> dtype, shape, data_offsets), then the tensors' bytes, in little-endian order.
https://huggingface.co/docs/safetensors/en/index#format
"""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from afmoe_export import ExportError

FLOATS = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
MAX_HEADER = 100 << 20  # the format's own limit


@dataclass(frozen=True)
class Tensor:
    """A tensor in its file; slices of it are read when asked for."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: np.ndarray

    def __getitem__(self, index) -> np.ndarray:
        """A part as float32."""
        part = self.data[index]
        if self.dtype == "BF16":
            return (part.astype(np.uint32) << 16).view(np.float32)
        return part.astype(np.float32)


class Checkpoint:
    def __init__(self, folder: Path):
        self.folder = folder
        self.read: set[str] = set()  # names of the tensors that were asked for
        self._tensors: dict[str, Tensor] = {}
        for file, wanted in weight_files(folder):
            found = read_header(file)
            for name in found if wanted is None else wanted:
                if name not in found:
                    raise ExportError(f"{file}: tensor {name} is missing; model.safetensors.index.json says it is here")
                if name in self._tensors:
                    raise ExportError(f"{file}: tensor {name} is in another file, too")
                self._tensors[name] = found[name]

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def unread(self) -> list[str]:
        return sorted(self._tensors.keys() - self.read)

    def tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of that name, which must have that shape and a type of floats."""
        found = self._tensors.get(name)
        if found is None:
            raise ExportError(f"{self.folder}: tensor {name} of shape {list(shape)} is missing")
        if found.shape != shape:
            raise ExportError(f"{self.folder}: tensor {name} has the shape {list(found.shape)}; by config.json it should be {list(shape)}")
        if found.dtype not in FLOATS:
            raise ExportError(f"{self.folder}: tensor {name} holds {found.dtype}; only {', '.join(FLOATS)} can be exported")
        self.read.add(name)
        return found


def weight_files(folder: Path) -> list[tuple[Path, list[str] | None]]:
    """The files to read, each with the names of the tensors that are wanted from it; None: all."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = read_json(index).get("weight_map")
        if not isinstance(names, dict) or not all(isinstance(n, str) and Path(n).name == n for n in names.values()):
            raise ExportError(f"{index}: weight_map must give a file name of this folder for each tensor")
        files: dict[str, list[str]] = {}
        for name, file in names.items():
            files.setdefault(file, []).append(name)
        return [(folder / file, files[file]) for file in sorted(files)]
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise ExportError(f"{folder} holds no *.safetensors file; other formats of weights cannot be exported")
    return [(file, None) for file in found]


def read_json(file: Path) -> dict:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExportError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise ExportError(f"{file} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ExportError(f"{file} must hold a JSON object")
    return value


def read_header(file: Path) -> dict[str, Tensor]:
    try:
        size = file.stat().st_size
        data = np.memmap(file, np.uint8, "r") if size else np.empty(0, np.uint8)
    except OSError as error:
        raise ExportError(f"{file}: {error.strerror}") from None
    length = int.from_bytes(data[:8].tobytes(), "little")
    if size < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
        raise ExportError(f"{file} is not a safetensors file, or cut short: header of {length} bytes in a file of {size}")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, AttributeError):
        raise ExportError(f"{file}: the header is not a JSON object") from None
    return {name: read_entry(file, name, entry, data[8 + length :]) for name, entry in entries.items()}


def read_entry(file: Path, name: str, entry: dict, data: np.ndarray) -> Tensor:
    try:
        dtype, shape, (begin, end) = str(entry["dtype"]), tuple(entry["shape"]), entry["data_offsets"]
        right = all(type(n) is int and n >= 0 for n in (*shape, begin, end)) and begin <= end <= len(data)
    except (KeyError, TypeError, ValueError):
        right = False
    if not right:
        raise ExportError(f"{file}: the header's entry of tensor {name} is damaged, or the file is cut short")
    raw = data[begin:end]
    if dtype not in FLOATS:
        return Tensor(name, dtype, shape, raw)
    if len(raw) != prod(shape) * FLOATS[dtype].itemsize:
        raise ExportError(f"{file}: tensor {name} has {len(raw)} bytes; {dtype} of shape {list(shape)} needs {prod(shape) * FLOATS[dtype].itemsize}")
    return Tensor(name, dtype, shape, raw.view(FLOATS[dtype]).reshape(shape))
