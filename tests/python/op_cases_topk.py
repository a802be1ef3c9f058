"""TopK of every version (1, 10, 11, 24; the first is that of opsets 7 to 9): any axis, k, order and element type, with ties; and graphs that must be refused, by name."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

TYPES = (np.float32, np.float16, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)


def topk_model(x, k, opset=21, k_type=np.int64, k_shape=(1,), constant_k=True, x_shape=None, x_type=None, **attributes):
    """x -> TopK -> values, indices. k: a number; with constant_k False it is an input of the graph."""
    element = x_type or helper.np_dtype_to_tensor_dtype(x.dtype)
    inputs = [helper.make_tensor_value_info("x", element, x_shape or x.shape)]
    constants, names = [], ["x"]
    if opset < 10:
        attributes["k"] = k
    else:
        names.append("k")
        if constant_k:
            constants.append(numpy_helper.from_array(np.full(k_shape, k, k_type), "k"))
        else:
            inputs.append(helper.make_tensor_value_info("k", helper.np_dtype_to_tensor_dtype(np.dtype(k_type)), k_shape))
    outputs = [helper.make_tensor_value_info("values", element, None), helper.make_tensor_value_info("indices", TensorProto.INT64, None)]
    node = helper.make_node("TopK", names, ["values", "indices"], "test/TopK", **attributes)
    graph = helper.make_graph([node], "topk", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10 if opset < 24 else 11)


def numbers(rng, dtype, *shape):
    """The edges of a type, and few values otherwise, so that many are equal."""
    if np.dtype(dtype).kind == "f":
        x = rng.integers(-9, 9, shape).astype(dtype) / dtype(4)
        x.flat[rng.integers(0, x.size, 1 + x.size // 8)] = rng.choice([np.inf, -np.inf, 0.0, -0.0], 1 + x.size // 8)
        return x.astype(dtype)
    info, wide = np.iinfo(dtype), np.iinfo(np.uint32 if np.dtype(dtype).kind == "u" else np.int32)
    x = rng.integers(max(info.min, -9), 9, shape).astype(dtype)
    x.flat[rng.integers(0, x.size, 2)] = max(info.min, wide.min), min(info.max, wide.max)
    return x


def topk_cases(make):
    """make(name, model, feeds)"""
    rng = np.random.default_rng(33)
    for dtype in TYPES:
        for shape, axis, k in (((7, 13), 1, 4), ((3, 600), -1, 20), ((2, 300, 3), 1, 270), ((3, 2500), 1, 700)):
            for largest in (0, 1):
                x = numbers(rng, dtype, *shape)
                name = f"TopK-{np.dtype(dtype).name}-{'x'.join(map(str, shape))}-{axis}-{k}-{largest}"
                yield make(name, topk_model(x, k, axis=axis, largest=largest), {"x": x})
    for opset in (7, 9, 10, 11, 21, 24):
        for axis in (-3, -2, -1, 0, 1, 2):
            x = numbers(rng, np.float32, 4, 5, 6)
            yield make(f"TopK-opset{opset}-axis{axis}", topk_model(x, 3, opset, axis=axis), {"x": x})
        x = numbers(rng, np.float32, 4, 9)
        yield make(f"TopK-opset{opset}-default-axis", topk_model(x, 9, opset), {"x": x})
    for n, k in ((1, 0), (1, 1), (5, 0), (300, 300), (5000, 5000), (9000, 50), (70000, 3), (70000, 70000)):
        for dtype in (np.float32, np.float16):
            x = numbers(rng, dtype, n)
            yield make(f"TopK-{n}-{k}-{np.dtype(dtype).name}", topk_model(x, k), {"x": x})
    x = np.zeros((0, 4), np.float32)
    yield make("TopK-no-rows", topk_model(x, 2, axis=1), {"x": x})
    x = numbers(rng, np.float32, 3, 8)
    yield make("TopK-k-input", topk_model(x, 5, constant_k=False), {"x": x, "k": np.array([5])})
    yield make("TopK-dynamic", topk_model(x, 5, x_shape=["rows", "columns"]), {"x": x})
    same = np.full((3, 8), 2.5, np.float32)
    yield make("TopK-unsorted-all", topk_model(same, 1, sorted=0), {"x": same})


def computed_k():
    """k from another value on the GPU."""
    graph = topk_model(np.zeros((3, 8), np.float32), 1, constant_k=False)
    graph.graph.input.pop()
    graph.graph.input.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, (1, 99)))
    graph.graph.node.insert(0, helper.make_node("ArgMax", ["m"], ["k"], "test/k", axis=1, keepdims=0))
    return graph


def topk_refusals():
    """(name, model, feeds, words that the message must hold)"""
    x = np.zeros((3, 8), np.float32)
    for name, options, words in (
            ("k-too-large", {"k": 9}, "k must be 0 to 8, got 9"), ("k-negative", {"k": -1}, "k must be 0 to 8, got -1"),
            ("k-attribute-too-large", {"k": 9, "opset": 9}, "k must be 0 to 8, got 9"),
            ("k-type", {"k": 2, "k_type": np.int32}, "k must be int64"), ("k-rank", {"k": 2, "k_shape": (1, 1)}, "k must be [1]"),
            ("k-two", {"k": 2, "k_shape": (2,)}, "k must be [1]"), ("axis-high", {"k": 2, "axis": 2}, "axis 2"),
            ("axis-low", {"k": 2, "axis": -3}, "axis -3"), ("largest", {"k": 2, "largest": 2}, "largest must be"),
            ("sorted", {"k": 2, "sorted": -1}, "sorted must be")):
        yield name, topk_model(x, **options), {"x": x}, words
    yield "k-input-too-large", topk_model(x, 0, constant_k=False), {"x": x, "k": np.array([9])}, "k must be 0 to 8, got 9"
    yield "k-computed", computed_k(), {"x": x, "m": np.zeros((1, 99), np.float32)}, "k must be known at compile time"
    yield "scalar", topk_model(x[0, 0], 1), {"x": x[0, 0]}, "must not be a scalar"
    boolean = x != 0
    yield "bool", topk_model(boolean, 1), {"x": boolean}, "element type bool"


def type_refusals():
    """Casts that 32 bits cannot hold, numbers beyond them: (name, model, feeds, words, names the node)."""
    def unary(op, array, to=None):
        out = to or helper.np_dtype_to_tensor_dtype(array.dtype)
        node = helper.make_node(op, ["x"], ["y"], f"test/{op}", **({"to": to} if to else {}))
        graph = helper.make_graph([node], "one", [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)],
                                  [helper.make_tensor_value_info("y", out, None)])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), {"x": array}

    yield "cast-uint32-int64", *unary("Cast", np.ones(3, np.uint32), TensorProto.INT64), "a cast from uint32 to int64", True
    yield "cast-int8-uint64", *unary("Cast", np.ones(3, np.int8), TensorProto.UINT64), "a cast from int8 to uint64", True
    yield "cast-double", *unary("Cast", np.ones(3, np.float32), TensorProto.DOUBLE), "element type double", True
    yield "int64-large", *unary("Neg", np.full(99, 2**31, np.int64)), "int64 value 2147483648", False
    yield "uint64-large", *unary("Cast", np.full(99, 2**32, np.uint64), TensorProto.UINT32), "uint64 value 4294967296", False
