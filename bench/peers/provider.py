"""ONNX Runtime's WebGPU provider, which is a library that is registered at run time: sessions on it and tensors in its memory."""

from pathlib import Path

import numpy as np
import onnxruntime as ort

NAME = "WebGpuExecutionProvider"


def default_library() -> str:
    """The library inside the package onnxruntime-ep-webgpu, if that is installed."""
    import onnxruntime_ep_webgpu

    return onnxruntime_ep_webgpu.get_library_path()


class Provider:
    def __init__(self, library: str | Path | None = None):
        ort.register_execution_provider_library("webgpu", str(library or default_library()))
        self.device = next((d for d in ort.get_ep_devices() if d.ep_name == NAME), None)
        if self.device is None:
            raise SystemExit("the WebGPU provider finds no device")
        self.memory = self.device.memory_info(ort.OrtDeviceMemoryType.DEFAULT)

    def session(self, model: bytes | str, **settings: str) -> ort.InferenceSession:
        """`settings` are the provider's own: enableGraphCapture="1"."""
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.add_provider_for_devices([self.device], settings)
        return ort.InferenceSession(model, options)

    def empty(self, shape: tuple[int, ...], dtype: type) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype, memory_info=self.memory)

    def upload(self, array: np.ndarray) -> ort.OrtValue:
        value = self.empty(array.shape, array.dtype.type)
        self.copy(array, value)
        return value

    def copy(self, array: np.ndarray, value: ort.OrtValue) -> None:
        ort.copy_tensors([ort.OrtValue.ortvalue_from_numpy(array)], [value])
