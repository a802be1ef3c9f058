"""Runs ONNX models on any GPU through WebGPU.

Session runs any supported graph, Generator writes text with a language model. Both compute on one device: `devices()` lists them, best
first, and wherever a `device` is asked for it is an index of that list, a part of a name, or None for SLUICE_DEVICE and then the best.
Everything that a model, a device or an input can cause is raised as Error, a RuntimeError. The interpreter's lock is released while
the device is waited for.
"""

from ._core import DeviceInfo, Error, __version__, operators
from ._devices import Device, devices, inspect
from ._generator import Generation, Generator, Sampling, Token
from ._profile import Profile
from ._session import Session, TensorInfo

__all__ = [
    "Device", "DeviceInfo", "Error", "Generation", "Generator", "Profile", "Sampling", "Session", "TensorInfo", "Token", "__version__",
    "devices", "inspect", "operators",
]
