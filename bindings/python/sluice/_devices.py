"""Devices, and what a model would need of one."""

from __future__ import annotations

import os
from typing import Union

from . import _core


class Device:
    """An open device for several sessions to share: opening one takes a tenth of a second or more, and shaders that one session compiled
    serve the others. `library` is the path of another WebGPU library. Raises Error if no device matches."""

    def __init__(self, device: int | str | None = None, library: str = "") -> None:
        self._core = _core.Device(choice(device), library)

    @property
    def info(self) -> _core.DeviceInfo:
        return self._core.info

    def __repr__(self) -> str:
        return f"<sluice.Device {self.info.name}>"


DeviceLike = Union[Device, int, str, None]


def choice(device: int | str | None) -> str:
    if device is None:
        return ""
    if isinstance(device, bool) or not isinstance(device, (int, str)):
        raise TypeError(f"device must be an index, a part of a name or None, got {type(device).__name__}")
    return str(device)


def devices(library: str = "") -> list[_core.DeviceInfo]:
    """Every device of the WebGPU library, best first: discrete GPUs, then integrated ones, software last."""
    return _core.devices(library)


def inspect(model: str | os.PathLike[str], variant: str = "", device: int | str | None = None, graph: bool = False) -> str:
    """A report on a model's folder or ONNX file: inputs, operators, weights, memory, and every obstacle if it cannot run. Loads no weights.
    `graph` appends the whole graph."""
    return _core.inspect(os.fspath(model), variant, choice(device), graph)
