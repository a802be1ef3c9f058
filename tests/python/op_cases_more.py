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
            yield case(f"{op}-wrap-{label}", op, [a, right])
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


def at_opset(one, version):
    one.model.opset_import[0].version = version
    return one


def activations(case, normal, rng, dtype):
    edges = np.array([0, -0.0, 1, -1, 0.5, -0.5, 3, -3, 20, -20, 1e-3, -1e-3, INF, -INF, NAN], dtype)
    tame = edges[np.isfinite(edges)]
    x = 2 * normal(rng, dtype, 5, 33)
    for op, attributes in (("LeakyRelu", {"alpha": 0.1}), ("Elu", {"alpha": 1.5}), ("Selu", {}), ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}), ("HardSwish", {}),
                           ("Mish", {}), ("Softsign", {}), ("ThresholdedRelu", {"alpha": 0.7}), ("Shrink", {"lambd": 0.6, "bias": 0.2}),
                           ("Sigmoid", {}), ("Tanh", {}), ("Softplus", {}), ("Erf", {}), ("Gelu", {}), ("Relu", {}), ("Tan", {}), ("Atan", {}),
                           ("Asinh", {}), ("Exp", {}), ("Cos", {}), ("Sin", {}), ("Floor", {}), ("Ceil", {}), ("Round", {}), ("Neg", {}), ("Abs", {}),
                           ("Sinh", {}), ("Cosh", {})):
        yield case(f"{op}-normal", op, [x], **attributes)
        has_limits = op not in ("HardSwish", "Mish", "Softsign", "Gelu", "Sinh", "Cosh", "Exp", "Selu", "Erf")
        yield case(f"{op}-edges", op, [edges if has_limits else tame[:8]], **attributes)
    if dtype == np.float32:
        yield case("Celu", "Celu", [x], alpha=1.5)
    yield case("Gelu-tanh", "Gelu", [x], approximate="tanh")
    yield at_opset(case("Swish", "Swish", [x], alpha=1.5), 24)
    inside = np.linspace(-1, 1, 37).astype(dtype)
    for op in ("Asin", "Acos", "Atanh"):
        yield case(f"{op}-inside", op, [inside[1:-1] if op == "Atanh" else inside])
    yield case("Acosh", "Acosh", [(1 + np.linspace(0, 9, 33) ** 2).astype(dtype)])
    for label, slope in (("same", normal(rng, dtype, 5, 33)), ("row", normal(rng, dtype, 33)), ("one", normal(rng, dtype, 1)), ("column", normal(rng, dtype, 5, 1))):
        yield case(f"PRelu-{label}", "PRelu", [x, slope])
    bias = normal(rng, dtype, 33)
    yield case("BiasGelu", "BiasGelu", [x, bias], domain="com.microsoft")
    yield case("FastGelu", "FastGelu", [x], domain="com.microsoft")
    yield case("FastGelu-bias", "FastGelu", [x, bias], domain="com.microsoft")
    yield case("QuickGelu", "QuickGelu", [x], domain="com.microsoft", alpha=1.3)
    yield case("IsNaN", "IsNaN", [edges], out(np.bool_))
    for negative in (0, 1):
        for positive in (0, 1):
            yield case(f"IsInf-{negative}{positive}", "IsInf", [edges], out(np.bool_), detect_negative=negative, detect_positive=positive)
    for count in (1, 2, 3, 6, 7, 14):
        inputs = [normal(rng, dtype, *(3, 7)[k % 2:]) if k else normal(rng, dtype, 3, 7) for k in range(count)]
        for op in ("Sum", "Mean", "Max", "Min"):
            yield case(f"{op}-{count}", op, inputs)
    yield case("Dropout", "Dropout", [x], ["out0", ("out1", TensorProto.BOOL)])


def bits(case):
    rng = np.random.default_rng(43)
    for dtype in ALL_INTEGERS:
        label = np.dtype(dtype).name
        a, b = values(rng, dtype, 3, 11), values(rng, dtype, 11)
        for op in ("And", "Or", "Xor"):
            yield case(f"Bitwise{op}-{label}", f"Bitwise{op}", [a, b])
        if np.dtype(dtype).itemsize < 8:
            yield case(f"BitwiseNot-{label}", "BitwiseNot", [a])
    for dtype in (np.uint8, np.uint16, np.uint32):
        a, by = values(rng, dtype, 3, 11), rng.integers(0, 8 * np.dtype(dtype).itemsize, (3, 11)).astype(dtype)
        for direction in ("LEFT", "RIGHT"):
            yield case(f"BitShift-{direction}-{np.dtype(dtype).name}", "BitShift", [a, by], direction=direction)


def edges_of_arithmetic(case):
    """NaN, infinities and signed zeros; empty tensors, scalars and eight dimensions; every kind of broadcast."""
    odd = np.array([0, -0.0, 1, -1, 2.5, -2.5, INF, -INF, NAN], np.float32)
    left, right = (m.ravel() for m in np.meshgrid(odd, odd))
    for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"):
        yield case(f"{op}-odd", op, [left, right])
    for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"):
        yield case(f"{op}-odd", op, [left, right], out(np.bool_))
    yield case("Where-odd", "Where", [left < 1, left, right], out(np.float32))
    yield case("Clip-odd", "Clip", [odd, np.float32(-1), np.float32(2)], constants=(1, 2))
    for op in ("Sign", "Sqrt", "Reciprocal", "Log"):
        yield case(f"{op}-odd", op, [odd])
    rng = np.random.default_rng(44)
    shapes = [((), ()), ((1,), ()), ((0,), ()), ((0, 3), (1, 3)), ((3, 0), (3, 1)), ((2, 1, 2, 1, 2, 1, 2, 3), (1, 2, 1, 2, 1, 2, 1, 3)),
              ((2, 2, 2, 2, 2, 2, 2, 2), (2, 1, 2, 1, 2, 1, 2, 1)), ((255,), (1,)), ((256,), (256,)), ((257,), ()), ((1, 1025), (3, 1)), ((5, 1), (1, 7)),
              ((4, 1, 4), (4, 4, 1))]
    for a, b in shapes:
        label = f"{'x'.join(map(str, a)) or 'scalar'}-{'x'.join(map(str, b)) or 'scalar'}"
        x, y = rng.standard_normal(a).astype(np.float32), rng.standard_normal(b).astype(np.float32)
        yield case(f"Broadcast-Sub-{label}", "Sub", [x, y])
        yield case(f"Broadcast-Less-{label}", "Less", [x, y], out(np.bool_))
        yield case(f"Broadcast-Where-{label}", "Where", [x < 0, x, y], out(np.float32))
        truth = rng.random(a) < 0.5, rng.random(b) < 0.5
        for op in ("And", "Or", "Xor", "Equal"):
            yield case(f"Broadcast-{op}-{label}", op, list(truth), out(np.bool_))
    eight = rng.standard_normal((2, 1, 3, 2, 1, 2, 2, 3)).astype(np.float32)
    yield case("Transpose-rank8", "Transpose", [eight], perm=[7, 6, 5, 4, 3, 2, 1, 0])
    yield case("ReduceSum-rank8", "ReduceSum", [eight, np.array([0, 2, 4, 6])], constants=(1,))
    yield case("Not", "Not", [rng.random((3, 5)) < 0.5])
    for base, exponent in ((np.float32, np.int64), (np.float32, np.int32), (np.int32, np.int32), (np.int64, np.int64)):
        a = rng.integers(1, 6, (3, 7)).astype(base)
        yield case(f"Pow-{np.dtype(base).name}-{np.dtype(exponent).name}", "Pow", [a, rng.integers(0, 6, (7,)).astype(exponent)])
    yield case("Pow-int64-whole", "Pow", [rng.integers(1, 9, (3, 7)), np.array(2, np.float32)], constants=(1,))
    for shape in ((0, 4), (3, 0)):
        empty = np.zeros(shape, np.float32)
        for op in ("Relu", "Exp", "Neg"):
            yield case(f"{op}-empty-{shape[0]}x{shape[1]}", op, [empty])
        yield case(f"Transpose-empty-{shape[0]}x{shape[1]}", "Transpose", [empty])
        yield case(f"Cast-empty-{shape[0]}x{shape[1]}", "Cast", [empty], out(np.int64), to=TensorProto.INT64)


def statistics(case, normal, rng, dtype):
    x = normal(rng, dtype, 2, 6, 5, 7)
    for op in ("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare", "ReduceProd", "ReduceMin"):
        for axes in ([-1], [1, 3], [0, 1, 2, 3]):
            yield case(f"{op}-{axes}", op, [x, np.array(axes)], constants=(1,), keepdims=axes[0] != 1)
    yield case("ReduceLogSum", "ReduceLogSum", [np.abs(x) + np.asarray(0.1, dtype), np.array([2])], constants=(1,))
    yield case("ReduceLogSumExp-large", "ReduceLogSumExp", [50 * x, np.array([3])], constants=(1,), keepdims=0)
    yield case("ReduceLogSumExp-inf", "ReduceLogSumExp", [np.array([[-INF, -INF], [INF, 1], [-INF, 2]], dtype), np.array([1])], constants=(1,))
    yield case("ReduceMax-noop", "ReduceMax", [x], noop_with_empty_axes=1)
    for axis in (-1, 1):
        yield case(f"Hardmax-{axis}", "Hardmax", [x], axis=axis)
    yield at_opset(case("Hardmax-flat", "Hardmax", [x], axis=2), 12)
    yield at_opset(case("Softmax-flat", "Softmax", [x], axis=2), 12)
    yield case("LogSoftmax-1", "LogSoftmax", [x], axis=1)
    yield case("GlobalAveragePool", "GlobalAveragePool", [x])
    yield case("GlobalMaxPool", "GlobalMaxPool", [x])
    scale, bias, mean, variance = (normal(rng, dtype, 6) for _ in range(4))
    yield case("BatchNormalization", "BatchNormalization", [x, scale, bias, mean, np.abs(variance) + np.asarray(0.1, dtype)], epsilon=1e-3)
    yield case("BatchNormalization-2d", "BatchNormalization", [x[:, :, 0, 0], scale, bias, mean, np.abs(variance) + np.asarray(0.1, dtype)])
    yield case("InstanceNormalization", "InstanceNormalization", [x, scale, bias], epsilon=1e-4)
    yield case("GroupNormalization", "GroupNormalization", [x, scale, bias], num_groups=3, epsilon=1e-4)
    yield at_opset(case("GroupNormalization-18", "GroupNormalization", [x, scale[:3], bias[:3]], num_groups=3), 20)
    for p in (1, 2):
        yield case(f"LpNormalization-{p}", "LpNormalization", [x], axis=1, p=p)
    yield case("LpNormalization-zero", "LpNormalization", [np.zeros((2, 3), dtype)])
    yield case("MeanVarianceNormalization", "MeanVarianceNormalization", [x])
    yield case("MeanVarianceNormalization-axes", "MeanVarianceNormalization", [x], axes=[1, 2])
    float32 = [("out1", TensorProto.FLOAT), ("out2", TensorProto.FLOAT)]
    wide, gain, shift = normal(rng, dtype, 3, 4, 65), normal(rng, dtype, 65), normal(rng, dtype, 65)
    yield case("LayerNormalization-outputs", "LayerNormalization", [wide, gain, shift], ["out0", *float32], constants=(1, 2))
    yield case("LayerNormalization-axis", "LayerNormalization", [wide, normal(rng, dtype, 4, 65)], ["out0", *float32], constants=(1,), axis=1)
    yield case("SimplifiedLayerNormalization-outputs", "SimplifiedLayerNormalization", [wide, gain], ["out0", float32[0]], constants=(1,), axis=-1)
    for block in (1, 2):
        y = normal(rng, dtype, 2, 8, 4, 6)
        for mode in ("DCR", "CRD"):
            yield case(f"DepthToSpace-{mode}-{block}", "DepthToSpace", [y], blocksize=block, mode=mode)
        yield case(f"SpaceToDepth-{block}", "SpaceToDepth", [y], blocksize=block)
    values_ = np.array([-1, 2], dtype)
    for axis in (-1, 0, 1):
        yield case(f"OneHot-{axis}", "OneHot", [np.array([[0, 4, -1], [5, 2, -6]]), np.array(5), values_], out(dtype), constants=(1,), axis=axis)
    yield case("EyeLike", "EyeLike", [normal(rng, dtype, 4, 6)], k=1)
    if dtype == np.float32:
        yield case("EyeLike-int64", "EyeLike", [normal(rng, dtype, 6, 4)], out(np.int64), k=-2, dtype=TensorProto.INT64)
        yield case("Range-float", "Range", [np.array(v, np.float32) for v in (0.5, 700, 0.25)], constants=(0, 1, 2))
        yield case("Range-int", "Range", [np.array(v) for v in (5, -3000, -2)], constants=(0, 1, 2))
        yield case("Range-short", "Range", [np.array(v, np.int32) for v in (3, 20, 4)], constants=(0, 1, 2))
        yield case("CastLike", "CastLike", [10 * x, np.zeros(1, np.int32)], out(np.int32))
        yield case("Shape", "Shape", [x], out(np.int64), start=1)
        yield case("Size", "Size", [x], out(np.int64))


def linear_quantisation(case, normal, rng, dtype):
    for quantised in (np.uint8, np.int8, np.uint16, np.int16):
        label, info = np.dtype(quantised).name, np.iinfo(quantised)
        q = values(rng, quantised, 3, 8, 5)
        middle = (info.min + info.max + 1) // 2
        one, point = np.asarray(0.03, dtype), np.asarray(middle + 3, quantised)
        eight, points = (rng.random(8) * 0.1 + 0.01).astype(dtype), (middle + rng.integers(-9, 9, 8)).astype(quantised)
        blocks = (rng.random((3, 2, 5)) * 0.1 + 0.01).astype(dtype), (middle + rng.integers(-9, 9, (3, 2, 5))).astype(quantised)
        small = q if info.bits == 8 else (q // 64).astype(quantised)
        x = normal(rng, dtype, 3, 8, 5)
        for name, scale, zero, attributes in (("one", one, point, {}), ("none", one, None, {}), ("axis", eight, points, {"axis": 1}),
                                              ("negative", eight, points, {"axis": -2}), ("block", *blocks, {"axis": 1, "block_size": 4})):
            yield case(f"DequantizeLinear-{label}-{name}", "DequantizeLinear", [small, scale, zero], out(dtype), constants=(1, 2), **attributes)
            if zero is not None:
                yield case(f"QuantizeLinear-{label}-{name}", "QuantizeLinear", [x, scale, zero], out(quantised), constants=(1, 2), **attributes)
        if info.bits == 8:
            for op, data, result in (("QuantizeLinear", x, quantised), ("DequantizeLinear", q, dtype)):
                yield case(f"microsoft-{op}-{label}", op, [data, one, point], out(result), constants=(1, 2), domain="com.microsoft")
    yield case("QuantizeLinear-default", "QuantizeLinear", [normal(rng, dtype, 3, 7), np.asarray(0.01, dtype)], out(np.uint8))
    if dtype == np.float32:
        yield case("DequantizeLinear-int32", "DequantizeLinear", [values(rng, np.int32, 3, 7) // 4096, np.float32(0.5)], out(dtype))


def nibbles(case):
    """4-bit weights, two to a byte."""
    rng = np.random.default_rng(45)
    for kind, low in ((TensorProto.UINT4, 0), (TensorProto.INT4, -8)):
        for label, shape, scales, attributes in (("one", (3, 7), (), {}), ("axis", (4, 6), (6,), {"axis": 1}), ("block", (4, 64), (4, 2), {"axis": 1, "block_size": 32})):
            w, zero = rng.integers(low, low + 16, shape), rng.integers(low, low + 16, scales)
            one = case(f"DequantizeLinear-{'u' if low == 0 else ''}int4-{label}", "DequantizeLinear",
                       [np.zeros(shape, np.uint8), rng.random(scales).astype(np.float32), np.zeros(scales, np.uint8)], out(np.float32), constants=(0, 2), **attributes)
            del one.model.graph.initializer[:]
            for name, array in (("in0", w), ("in2", zero)):
                one.model.graph.initializer.append(helper.make_tensor(name, kind, array.shape, array.ravel().tolist()))
            yield one


def dynamic_quantisation(case):
    rng = np.random.default_rng(46)
    pairs = [("out0", TensorProto.UINT8), ("out1", TensorProto.FLOAT), ("out2", TensorProto.UINT8)]
    for label, x in (("normal", rng.standard_normal((3, 33))), ("positive", rng.random((5, 7)) + 1), ("negative", -rng.random((5, 7)) - 1), ("zero", np.zeros((2, 2)))):
        yield case(f"DynamicQuantizeLinear-{label}", "DynamicQuantizeLinear", [x.astype(np.float32)], pairs)
    for a, b in ((np.uint8, np.int8), (np.uint8, np.uint8), (np.int8, np.int8)):
        for m, k, n in ((1, 4, 5), (17, 33, 31), (16, 16, 16)):
            left, right = values(rng, a, 2, m, k), values(rng, b, k, n)
            label = f"{np.dtype(a).name}-{np.dtype(b).name}-{m}x{k}x{n}"
            yield case(f"MatMulInteger-{label}", "MatMulInteger", [left, right, np.array(7, a), np.array(5, b)], out(np.int32), constants=(1, 2, 3))
            yield case(f"MatMulInteger-{label}-columns", "MatMulInteger", [left, right, None, values(rng, b, n)], out(np.int32), constants=(1, 3))
    yield case("MatMulInteger-plain", "MatMulInteger", [values(rng, np.uint8, 3, 9), values(rng, np.uint8, 9, 4)], out(np.int32))


def indexing(case, normal, rng, dtype):
    data = normal(rng, dtype, 4, 5, 6)
    for width in (1, 2, 3):
        at = rng.integers(-4, 4, (2, 7, width))
        updates = normal(rng, dtype, 2, 7, *data.shape[width:])
        for reduction in ("add", "mul", "min", "max"):
            yield case(f"ScatterND-{reduction}-{width}", "ScatterND", [data, at, updates], reduction=reduction)
        tuples = np.stack(np.unravel_index(rng.permutation(np.prod(data.shape[:width]))[:3], data.shape[:width]), -1)
        yield case(f"ScatterND-none-{width}", "ScatterND", [data, tuples, updates[0, :3]])
        yield case(f"GatherND-{width}", "GatherND", [data, at])
    yield case("GatherND-batch", "GatherND", [data, rng.integers(-5, 5, (4, 3, 1))], batch_dims=1)
    yield case("GatherND-batch2", "GatherND", [data, rng.integers(-6, 6, (4, 5, 1))], batch_dims=2)
    index = rng.integers(-5, 5, (4, 9, 6))
    for reduction in ("add", "mul", "min", "max"):
        yield case(f"ScatterElements-{reduction}", "ScatterElements", [data, index, normal(rng, dtype, 4, 9, 6)], axis=1, reduction=reduction)
    for exclusive in (0, 1):
        for reverse in (0, 1):
            yield case(f"CumSum-{exclusive}{reverse}", "CumSum", [data, np.array(1)], constants=(1,), exclusive=exclusive, reverse=reverse)
    yield case("CumSum-last", "CumSum", [normal(rng, dtype, 3, 300), np.array(-1)], constants=(1,))
    for axis in (0, -1):
        for last in (0, 1):
            yield case(f"ArgMin-{axis}-{last}", "ArgMin", [np.round(data), ], out(np.int64), axis=axis, select_last_index=last)
    yield case("Trilu-upper", "Trilu", [data, np.array(1)], constants=(1,))
    yield case("Trilu-lower", "Trilu", [data, np.array(-2)], constants=(1,), upper=0)
    yield case("Tile", "Tile", [data, np.array([1, 2, 3])], constants=(1,))
    yield case("Pad", "Pad", [data, np.array([1, 0, 2, 0, 1, -1]), np.asarray(1.5, dtype)], constants=(1, 2))
    yield case("Pad-axes", "Pad", [data, np.array([1, 2]), None, np.array([-2])], constants=(1, 3))
    yield case("Flatten", "Flatten", [data], axis=2)
    yield case("Gemm", "Gemm", [normal(rng, dtype, 7, 5), normal(rng, dtype, 7, 9), normal(rng, dtype, 9)], transA=1, alpha=0.5, beta=2.0)
    for length, kernel in ((5, 1), (7, 3), (33, 4)):
        inputs = [normal(rng, dtype, 2, 6, length), normal(rng, dtype, 6, 1, kernel), normal(rng, dtype, 6)]
        yield case(f"Conv-{length}-{kernel}", "Conv", inputs, constants=(1, 2), group=6)
        yield case(f"Conv-{length}-{kernel}-plain", "Conv", inputs[:2], group=6, kernel_shape=[kernel], pads=[0, 0])
    for a, b in (((5,), (5, 3)), ((2, 5), (5,)), ((5,), (5,)), ((2, 1, 3, 5), (4, 5, 2))):
        label = "-".join("x".join(map(str, s)) for s in (a, b))
        yield case(f"MatMul-{label}", "MatMul", [normal(rng, dtype, *a), normal(rng, dtype, *b)])


def more_cases(case, both_types, normal):
    for make in (integer_arithmetic, byte_moves, bits, edges_of_arithmetic, nibbles, dynamic_quantisation):
        yield from make(case)
    for make in (activations, statistics, linear_quantisation, indexing):
        yield from both_types(lambda rng, dtype, make=make: make(case, normal, rng, dtype))
