"""Operators beyond those of language models' decoders: every integer type, activations, bits, norms, quantisation, edges of arithmetic."""

import numpy as np
from onnx import TensorProto, helper
from op_cases_types import INTEGERS, values

ALL_INTEGERS = (*INTEGERS, np.uint8)
INF, NAN = np.inf, np.nan


def onnx_type(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def out(dtype, name="out0"):
    return [(name, onnx_type(dtype))]


def integer_arithmetic(case):
    """Narrow types wrap around; 64-bit ones are kept within 32 bits, where the GPU agrees with ONNX."""
    rng = np.random.default_rng(41)
    for dtype in ALL_INTEGERS:
        label, kind = np.dtype(dtype).name, np.dtype(dtype).kind
        wide = np.dtype(dtype).itemsize == 8
        a, b = values(rng, dtype, 3, 11), values(rng, dtype, 3, 11)
        if wide:
            a, b = a // 100000, b // 100000
        small = rng.integers(1, 9, (3, 11)).astype(dtype)
        for op, right in (("Add", b), ("Sub", np.minimum(a, b) if wide and kind == "u" else b), ("Mul", small), ("Div", small), ("Mod", small)):
            yield case(f"{op}-{label}", op, [a, right])
        if kind == "i":
            yield case(f"Mod-negative-{label}", "Mod", [a, -small])
            yield case(f"Fmod-{label}", "Mod", [a, -small], fmod=1)
            yield case(f"Neg-{label}", "Neg", [a])
            yield case(f"Relu-{label}", "Relu", [a])
        yield case(f"Abs-{label}", "Abs", [a])
        yield case(f"Sign-{label}", "Sign", [a])
        c, d = values(rng, dtype, 3, 11), values(rng, dtype, 11)
        for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"):
            yield case(f"{op}-{label}", op, [c, d], out(np.bool_))
        for op in ("Min", "Max"):
            yield case(f"{op}-{label}", op, [c, d])
            yield case(f"{op}-three-{label}", op, [c, d, a])
        low, high = np.sort(values(rng, dtype, 4))[1:3]
        yield case(f"Clip-{label}", "Clip", [c, low, high], constants=(1, 2))
        yield case(f"Clip-max-{label}", "Clip", [c, None, high], constants=(2,))


def byte_moves(case):
    """uint8 tensors lie packed on the GPU: odd sizes, so that nothing falls on words."""
    rng = np.random.default_rng(42)
    x = values(rng, np.uint8, 3, 5, 7)
    yield case("Transpose-uint8", "Transpose", [x], perm=[2, 0, 1])
    yield case("Concat-uint8", "Concat", [x, x[:, :2]], axis=1)
    for axis in (0, 1, 2):
        yield case(f"Gather-uint8-{axis}", "Gather", [x, np.array([2, 0, 1])], axis=axis)
    yield case("Gather-uint8-words", "Gather", [values(rng, np.uint8, 9, 8), np.array([[7, 0], [3, -1]])])
    yield case("Slice-uint8", "Slice", [x, np.array([1]), np.array([4]), np.array([2]), np.array([2])], constants=(1, 2, 3, 4))
    yield case("Expand-uint8", "Expand", [x[:, :1], np.array([3, 4, 7])], constants=(1,))
    yield case("Tile-uint8", "Tile", [x, np.array([1, 2, 3])], constants=(1,))
    yield case("Pad-uint8", "Pad", [x, np.array([1, 0, 2, 0, 1, 1]), np.array(9, np.uint8)], constants=(1, 2))
    yield case("Split-uint8", "Split", [x, np.array([3, 4])], 2, constants=(1,), axis=2)
    yield case("Where-uint8", "Where", [x > 99, x, x[:1]], out(np.uint8))
    yield case("Trilu-uint8", "Trilu", [x])
    yield case("Reshape-uint8", "Reshape", [x, np.array([5, 21])], constants=(1,))
    yield case("GatherElements-uint8", "GatherElements", [x, rng.integers(0, 3, (2, 5, 7))], axis=0)
    yield case("ScatterElements-uint8", "ScatterElements", [x, rng.permuted(np.tile(np.arange(3)[:, None, None], (1, 5, 7)), axis=0), x[::-1]],
               axis=0)
    yield case("ReduceMax-uint8", "ReduceMax", [x, np.array([1])], constants=(1,))
    yield case("ArgMax-uint8", "ArgMax", [x], out(np.int64), axis=2)
    for target in (*INTEGERS, np.float32, np.float16, np.bool_):
        yield case(f"Cast-uint8-{np.dtype(target).name}", "Cast", [x], out(target), to=onnx_type(target))
        back = rng.integers(0, 2 if target == np.bool_ else 127, (3, 11)).astype(target)
        if target != np.bool_ and np.dtype(target).kind == "f":
            back = back + np.asarray(0.25, target)
        yield case(f"Cast-{np.dtype(target).name}-uint8", "Cast", [back], out(np.uint8), to=TensorProto.UINT8)


def more_cases(case, both_types, normal):
    for make in (integer_arithmetic, byte_moves):
        yield from make(case)
