"""The interface of onnx.backend: prepare, run_model, run_node, supports_device. Needs the package onnx (`pip install sluice[backend]`).

A device is "WEBGPU", or "WEBGPU:" and an index or a part of a name. "CPU", the default of the interface, means "WEBGPU" too: tensors come
from the CPU's memory and go there. A device is opened once a process. What is not supported raises sluice.Error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.backend.base import Backend, BackendRep, namedtupledict

from . import Device, Error, Session

_MAX_OPSET = 28
_devices: dict[str, Device] = {}


def _choice(device: str) -> str | None:
    """What a device of the interface means for Device, None if it is none of ours."""
    kind, _, which = device.partition(":")
    return which if kind.upper() == "WEBGPU" or device.upper() == "CPU" else None


def _open(device: str) -> Device:
    which = _choice(device)
    if which is None:
        raise Error(f'[backend] the device "{device}" is not supported: it must be "CPU", "WEBGPU" or "WEBGPU:" and an index or a name')
    if which not in _devices:
        _devices[which] = Device(which or None)
    return _devices[which]


class SluiceRep(BackendRep):
    """A prepared model."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._output_names = [info.name for info in session.get_outputs()]

    def run(self, inputs: Any, **kwargs: Any) -> tuple[np.ndarray, ...]:
        """`inputs`: a dict by name, or a sequence in the model's order (one array for a model of one input). Returns a named tuple."""
        names = [info.name for info in self._session.get_inputs()]
        if not isinstance(inputs, Mapping):
            given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
            if len(given) > len(names):
                raise Error(f"[backend] the model takes {len(names)} inputs, got {len(given)}")
            inputs = dict(zip(names, given))
        return namedtupledict("Outputs", self._output_names)(*self._session.run(None, inputs))


class SluiceBackend(Backend):
    @classmethod
    def supports_device(cls, device: str) -> bool:
        try:
            _open(device)
        except Error:
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", *, folder: str = "", **kwargs: Any) -> SluiceRep:
        """`folder` is where external data lies."""
        return SluiceRep(Session(model.SerializeToString(), _open(device), folder=folder))

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[np.ndarray, ...]:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU",
                 outputs_info: Sequence[tuple[np.dtype, tuple[int, ...]]] | None = None, **kwargs: Any) -> tuple[np.ndarray, ...]:
        """A node alone. `inputs`: a dict by name, or a sequence in the node's order without absent ones. `opset_version` chooses another
        version than the newest that is supported."""
        names = [name for name in node.input if name]
        feeds = dict(inputs) if isinstance(inputs, Mapping) else dict(zip(names, inputs))
        feeds = {name: np.asarray(value) for name, value in feeds.items()}
        graph = helper.make_graph(
            [node], "node",
            [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in feeds.items()],
            [onnx.ValueInfoProto(name=name) for name in node.output if name])
        opset = kwargs.pop("opset_version", min(onnx.defs.onnx_opset_version(), _MAX_OPSET))
        opsets = [helper.make_opsetid("", opset)]
        if node.domain:
            opsets.append(helper.make_opsetid(node.domain, 1))
        return cls.run_model(helper.make_model(graph, opset_imports=opsets), feeds, device)


supports_device = SluiceBackend.supports_device
prepare = SluiceBackend.prepare
run_model = SluiceBackend.run_model
run_node = SluiceBackend.run_node
