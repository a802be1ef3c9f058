"""Any ONNX graph, in the manner of onnxruntime.InferenceSession."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._devices import Device, DeviceLike
from ._profile import Profile
from ._profile import options as profile_options


class TensorInfo(NamedTuple):
    """An input or output. `shape` holds numbers and names of sizes that the model leaves open, and is None if not even the rank is known;
    `dtype` is NumPy's, None if unknown."""

    name: str
    shape: list[int | str] | None
    dtype: np.dtype | None


_DTYPES: dict[str, np.dtype[Any]] = {"float": np.dtype(np.float32), "double": np.dtype(np.float64), **{
    name: np.dtype(name) for name in ("float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")}}


def _infos(infos: list[_core.TensorInfo]) -> list[TensorInfo]:
    return [TensorInfo(i.name, i.shape, _DTYPES.get(i.dtype)) for i in infos]


def _array(name: str, value: Any) -> np.ndarray:
    """A row-major array, without a copy where it is one already."""
    if not isinstance(value, (np.ndarray, np.generic)) and hasattr(value, "__dlpack__"):
        try:
            value = np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:  # on a GPU, of a type that NumPy lacks, part of a gradient
            raise _core.Error(f'[session] input "{name}" cannot be read through DLPack: {error}') from error
    array = np.asarray(value, order="C")
    if array.dtype not in _DTYPES.values():
        raise _core.Error(f'[session] input "{name}" has the element type {array.dtype}, which is not supported')
    return array


class Session:
    """Runs a graph once per call, on the device.

    `model` is the path of an ONNX file or the bytes of one (external data is then looked up in `folder`). A graph is compiled for the
    shapes of each call; several sessions that share a Device share its compiled shaders. Raises Error if the file is broken or the device
    cannot be opened.
    """

    def __init__(self, model: str | os.PathLike[str] | bytes, device: DeviceLike = None, *, folder: str | os.PathLike[str] = "") -> None:
        opened = device if isinstance(device, Device) else Device(device)
        if isinstance(model, bytes):
            self._core = _core.Session(model, os.fspath(folder), opened._core)
        else:
            self._core = _core.Session(os.fspath(model), opened._core)
        self._inputs, self._outputs = _infos(self._core.inputs), _infos(self._core.outputs)

    def get_inputs(self) -> list[TensorInfo]:
        return list(self._inputs)

    def get_outputs(self) -> list[TensorInfo]:
        return list(self._outputs)

    def run(self, output_names: Iterable[str] | None, feeds: Mapping[str, Any]) -> list[np.ndarray]:
        """The outputs of that name and order, or all in the model's order.

        `feeds` holds an array for each input: NumPy's, or anything on the CPU with `__dlpack__` (torch tensors). Element types: float32,
        float16, all integers (64-bit ones with values within 32 bits), bool. The results are new writable arrays, which torch.from_dlpack takes.
        Any thread may call; calls of sessions of one device take turns. Raises Error with every obstacle: unsupported operators, missing or
        wrong inputs, limits of the device.
        """
        known = [info.name for info in self._outputs]
        names = known if output_names is None else list(output_names)
        for name in names:
            if name not in known:
                raise _core.Error(f'[session] the graph has no output "{name}"; its outputs are {", ".join(known)}')
        results = self._core.run({name: _array(name, value) for name, value in feeds.items()})
        return [results[name] for name in names]

    def profile(self, feeds: Mapping[str, Any], *, repeats: int = 3, read_limit: bool = True) -> Profile:
        """Runs the graph several times and says where the time went; `read_limit` measures what the device can read."""
        arrays = {name: _array(name, value) for name, value in feeds.items()}
        return Profile(self._core.profile(arrays, profile_options(repeats=repeats, read_limit=read_limit)))
