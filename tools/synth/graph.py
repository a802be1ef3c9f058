"""Collects the nodes, values and initialisers of one ONNX graph, named the way onnxruntime-genai's builder names them."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from synth.data import DataFile, Fill

F16, F32, U8 = TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.UINT8
I32, I64 = TensorProto.INT32, TensorProto.INT64
MICROSOFT = "com.microsoft"
SEQUENCE = ["batch_size", "sequence_length"]
OPSETS = [helper.make_opsetid("", 22), helper.make_opsetid(MICROSOFT, 1)]
IR_VERSION = 10

Shape = list[int | str]


class Graph:
    def __init__(self, data: DataFile):
        self._data = data
        self._nodes: list[onnx.NodeProto] = []
        self._values: list[onnx.ValueInfoProto] = []
        self._tensors: list[TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._names: set[str] = set()

    def input(self, name: str, dtype: int, shape: Shape) -> None:
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def output(self, name: str, dtype: int, shape: Shape) -> None:
        self._outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def value(self, name: str, dtype: int, shape: Shape) -> str:
        self._values.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def node(self, op: str, name: str, inputs: list[str], outputs: list[str], **attributes) -> None:
        """Appends a node; `op` may carry its domain: "com.microsoft.QMoE"."""
        domain, _, kind = op.rpartition(".")
        self._nodes.append(helper.make_node(kind, inputs, outputs, name, domain=domain or None, **attributes))

    def op(self, op: str, name: str, inputs: list[str], dtype: int, shape: Shape, **attributes) -> str:
        """Appends a node with one output and returns that output's name."""
        output = f"{name}/output_0"
        self.node(op, name, inputs, [output], **attributes)
        return self.value(output, dtype, shape)

    def constant(self, kind: str, value: int | float | list[int], dtype: type) -> str:
        """A Constant node, made once for each value: '/model/constants/INT64/[1]'."""
        name = f"/model/constants/{kind}/{value}"
        if name not in self._names:
            self._names.add(name)
            tensor = numpy_helper.from_array(np.asarray(value, dtype), name)
            self.node("Constant", f"/model/constant_nodes/{kind}/{value}", [], [name], value=tensor)
            self.value(name, tensor.data_type, list(tensor.dims))
        return name

    def int64(self, value: int | list[int]) -> str:
        return self.constant("INT64", value, np.int64)

    def float32(self, value: float) -> str:
        return self.constant("FLOAT", value, np.float32)

    def number(self, value: float, dtype: int) -> str:
        """A constant in the type of the activations."""
        return self.float32(value) if dtype == F32 else self.constant("FLOAT16", value, np.float16)

    @staticmethod
    def scalar_tensor(value: float) -> TensorProto:
        """The value of a ConstantOfShape."""
        return numpy_helper.from_array(np.array([value], np.float32))

    def tensor(self, name: str, dtype: int, shape: list[int], fill: Fill) -> str:
        """An initialiser in the external data file, made once for each name; `fill` says what a synthetic one holds."""
        if name not in self._names:
            self._add_tensor(name, dtype, shape, self._data.tensor(name, dtype, shape, fill))
        return name

    def array(self, name: str, array: np.ndarray) -> str:
        """An initialiser of given values in the external data file."""
        self._add_tensor(name, helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape), self._data.write(array))
        return name

    def has(self, name: str) -> bool:
        return name in self._names

    def operators(self) -> Counter[str]:
        """How often each operator runs in one forward pass."""
        return Counter(node.op_type for node in self._nodes if node.op_type != "Constant")

    def node_names(self) -> set[str]:
        return {node.name for node in self._nodes}

    def save(self, path: Path, producer: str) -> None:
        graph = helper.make_graph(self._nodes, "main_graph", self._inputs, self._outputs, self._tensors, value_info=self._values)
        onnx.save(helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION, producer_name=producer), path)

    def _add_tensor(self, name: str, dtype: int, shape: list[int], place: tuple[int, int]) -> None:
        self._names.add(name)
        tensor = TensorProto(name=name, data_type=dtype, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self._data.path.name), ("offset", place[0]), ("length", place[1])):
            tensor.external_data.add(key=key, value=str(value))
        self._tensors.append(tensor)
        self.value(name, dtype, shape)
