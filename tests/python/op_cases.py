"""Single-operator models: one list of cases for every operator that the exporters emit, each a small ONNX graph with its inputs."""

from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from op_cases_more import more_cases
from op_cases_topk import topk_cases
from op_cases_types import type_cases

MS = "com.microsoft"
FLOATS = {"f32": np.float32, "f16": np.float16}


@dataclass
class Case:
    name: str
    model: object
    feeds: dict = field(default_factory=dict)
    expected: dict = None  # results by output, where ONNX Runtime's CPU provider has no kernel
    undefined: dict = field(default_factory=dict)  # by output: True where the operator leaves an element open
    exact: bool = False  # results that are only moved, not computed


def onnx_type(array):
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def case(name, op, inputs, outputs=1, constants=(), domain="", **attributes):
    """A model of one node. `inputs`: arrays in order, None for one left out; those whose index is in `constants` become
    initializers. `outputs`: a number, or a list with "" for one left out; or (name, dtype) pairs where the type is not input 0's."""
    names, feeds, initializers = [], {}, []
    for i, array in enumerate(inputs):
        names.append("" if array is None else f"in{i}")
        if array is None:
            continue
        if i in constants:
            initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), f"in{i}"))
        else:
            feeds[f"in{i}"] = np.asarray(array, order="C")
    outputs = [f"out{i}" for i in range(outputs)] if isinstance(outputs, int) else outputs
    first = next(onnx_type(a) for a in inputs if a is not None)
    typed = [o if isinstance(o, tuple) else (o, first) for o in outputs]
    node = helper.make_node(op, names, [o for o, _ in typed], f"test/{op}", domain=domain, **attributes)
    graph = helper.make_graph(
        [node], "test",
        [helper.make_tensor_value_info(n, onnx_type(a), a.shape) for n, a in feeds.items()],
        [helper.make_tensor_value_info(o, t, None) for o, t in typed if o], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)], ir_version=10)
    return Case(name, model, feeds)


def both_types(make):
    """The cases of make(rng, dtype) for float32 and float16, named so. Normal numbers, a fixed seed for each case."""
    for label, dtype in FLOATS.items():
        for one in make(np.random.default_rng(11), dtype):
            one.name = f"{one.name}-{label}"
            yield one


def normal(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


def quantised(rng, *shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


# --- element-wise ------------------------------------------------------------------------------------------------------------------

BROADCASTS = [((3, 5), (3, 5)), ((2, 7, 33), (33,)), ((2, 1, 9), (1, 4, 1)), ((1, 6, 8), ()), ((31,), (1,)), ((0, 4), (4,)), ((1, 64, 3), (64, 3))]


def elementwise(rng, dtype):
    for op in ("Add", "Sub", "Mul", "Div"):
        for left, right in BROADCASTS:
            b = normal(rng, dtype, *right) + np.asarray(3 if op == "Div" else 0, dtype)
            yield case(f"{op}-{'x'.join(map(str, left))}-{'x'.join(map(str, right)) or 'scalar'}", op, [normal(rng, dtype, *left), b])
    for op in ("Sigmoid", "Neg", "Exp", "Tanh"):
        for shape in ((1,), (5, 33), (2, 3, 64), (0, 3)):
            yield case(f"{op}-{'x'.join(map(str, shape))}", op, [normal(rng, dtype, *shape)])
    yield case("Sigmoid-large", "Sigmoid", [np.array([-80, -20, -1, 0, 1, 20, 80], dtype)])
    positive = np.abs(normal(rng, dtype, 4, 31)) + np.asarray(0.25, dtype)
    for op in ("Log", "Reciprocal", "Sqrt"):
        yield case(f"{op}-4x31", op, [positive])
    wide = 3 * normal(rng, dtype, 5, 13)
    low, high = np.asarray(-1, dtype), np.asarray(2, dtype)
    yield case("Clip-both", "Clip", [wide, low, high], constants=(1, 2))
    yield case("Clip-min", "Clip", [wide, low], constants=(1,))
    yield case("Clip-min-none", "Clip", [wide, np.asarray(1e-6, dtype), None], constants=(1,))
    yield case("Clip-max", "Clip", [wide, None, high], constants=(2,))
    yield case("Softmax-rows", "Softmax", [normal(rng, dtype, 3, 33)], axis=-1)


def casts():
    rng = np.random.default_rng(12)
    sources = {"float": np.float32, "float16": np.float16, "int64": np.int64, "int32": np.int32, "bool": np.bool_}
    for source, dtype in sources.items():
        values = rng.integers(-9, 9, (3, 11)) if source != "bool" else rng.integers(0, 2, (3, 11))
        array = (values + (0.375 if "float" in source else 0)).astype(dtype)
        for target, to in sources.items():
            yield case(f"Cast-{source}-{target}", "Cast", [array], [("out0", helper.np_dtype_to_tensor_dtype(np.dtype(to)))],
                       to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))


def integers():
    rng = np.random.default_rng(13)
    for dtype in (np.int64, np.int32):
        a, b = rng.integers(-99, 99, (2, 5)).astype(dtype), rng.integers(1, 9, (5,)).astype(dtype)
        for op in ("Add", "Sub", "Mul"):
            yield case(f"{op}-{np.dtype(dtype).name}", op, [a, b])
        yield case(f"ReduceSum-{np.dtype(dtype).name}", "ReduceSum", [a, np.array([1])], constants=(1,), keepdims=0)
        yield case(f"ReduceMax-{np.dtype(dtype).name}", "ReduceMax", [a], keepdims=0)


# --- moving data -------------------------------------------------------------------------------------------------------------------


def moving(rng, dtype):
    x = normal(rng, dtype, 2, 3, 10)
    for shape in ([6, 10], [-1], [0, -1], [2, 5, 6], [0, 0, 2, 5]):
        yield case(f"Reshape-{shape}", "Reshape", [x, np.array(shape)], constants=(1,))
    yield case("Unsqueeze-1", "Unsqueeze", [x, np.array([1])], constants=(1,))
    yield case("Unsqueeze-0-last", "Unsqueeze", [x, np.array([0, -1])], constants=(1,))
    yield case("Squeeze", "Squeeze", [x[:, :1], np.array([1])], constants=(1,))
    for perm in ([0, 2, 1], [2, 1, 0], [1, 0, 2], [0, 1, 2]):
        yield case(f"Transpose-{perm}", "Transpose", [x], perm=perm)
    yield case("Transpose-4d", "Transpose", [normal(rng, dtype, 2, 3, 4, 5)], perm=[0, 2, 1, 3])
    for axis in (0, 1, -1):
        parts = [normal(rng, dtype, *(n if i == axis % 3 else s for i, s in enumerate((2, 3, 4)))) for n in (1, 5, 2)]
        yield case(f"Concat-{axis}", "Concat", parts, axis=axis)
    yield case("Concat-empty", "Concat", [normal(rng, dtype, 2, 0, 4), normal(rng, dtype, 2, 3, 4)], axis=1)
    for name, starts, ends, axes, steps in (
            ("first", [0], [2], [2], [1]), ("negative", [-4], [-1], [2], [1]), ("steps", [1], [9], [2], [3]), ("back", [8], [1], [2], [-2]),
            ("two", [1, 0], [3, 7], [1, 2], [1, 2]), ("far", [5], [10**9], [2], [1]), ("none", [3], [3], [2], [1])):
        indices = [np.array(v) for v in (starts, ends, axes, steps)]
        yield case(f"Slice-{name}", "Slice", [x, *indices], constants=(1, 2, 3, 4))
    yield case("Slice-no-axes", "Slice", [x, np.array([0, 1, 2]), np.array([2, 3, 9])], constants=(1, 2))
    yield case("Split-last", "Split", [x, np.array([5, 1, 4])], 3, constants=(1,), axis=-1)
    yield case("Split-middle", "Split", [x, np.array([1, 2])], 2, constants=(1,), axis=1)
    table = normal(rng, dtype, 37, 6)
    for name, indices in (("1d", np.array([0, 36, 5, 5])), ("2d", rng.integers(0, 37, (2, 9))), ("negative", np.array([-1, -37])),
                          ("scalar", np.array(7)), ("int32", np.array([3, 1], np.int32))):
        yield case(f"Gather-{name}", "Gather", [table, indices], axis=0)
    yield case("Gather-axis1", "Gather", [x, np.array([2, 0])], axis=1)
    yield case("Gather-axis1-last", "Gather", [x, np.array(-1)], constants=(1,), axis=1)
    scores = normal(rng, dtype, 5, 8)
    order = np.argsort(rng.random((5, 8)), axis=1)[:, :3].astype(np.int64)
    yield case("GatherElements-1", "GatherElements", [scores, order], axis=1)
    yield case("GatherElements-negative", "GatherElements", [scores, order - 8], axis=-1)
    yield case("GatherElements-0", "GatherElements", [scores, rng.integers(0, 5, (2, 8))], axis=0)
    yield case("ScatterElements-1", "ScatterElements", [scores, order, normal(rng, dtype, 5, 3)], axis=1)
    yield case("ScatterElements-negative", "ScatterElements", [scores, order - 8, normal(rng, dtype, 5, 3)], axis=-1)
    yield case("Expand", "Expand", [normal(rng, dtype, 3, 1), np.array([2, 3, 4])], constants=(1,))


def reductions(rng, dtype):
    x = normal(rng, dtype, 2, 5, 33)
    for op in ("ReduceSum", "ReduceMax", "ReduceMean"):
        for axes in ([-1], [1], [0, 2]):
            for keep in (0, 1):
                # Until opset 18 the axes of ReduceMax and ReduceMean were an attribute; these models have opset 21.
                yield case(f"{op}-{axes}-{keep}", op, [x, np.array(axes)], constants=(1,), keepdims=keep)
    yield case("ReduceSum-all", "ReduceSum", [x], keepdims=0)


def topk():
    rng = np.random.default_rng(14)
    pairs = [("out0", TensorProto.FLOAT), ("out1", TensorProto.INT64)]
    for columns, k in ((1, 1), (3, 2), (8, 4), (31, 4), (32, 8), (33, 33), (128, 8), (513, 50)):
        for rows in (1, 5):
            # Distinct values: ties are a case of their own.
            values = rng.permuted(np.tile(np.arange(columns, dtype=np.float32) / 8, (rows, 1)), axis=1)
            yield case(f"TopK-{rows}x{columns}-{k}", "TopK", [values, np.array([k])], pairs, constants=(1,), axis=-1, largest=1)
    ties = rng.integers(0, 3, (4, 20)).astype(np.float32)
    yield case("TopK-ties", "TopK", [ties, np.array([7])], pairs, constants=(1,), axis=-1, largest=1)
    yield case("TopK-smallest", "TopK", [ties, np.array([7])], pairs, constants=(1,), axis=-1, largest=0)
    half = normal(rng, np.float16, 3, 40)
    yield case("TopK-f16", "TopK", [half, np.array([6])], [("out0", TensorProto.FLOAT16), ("out1", TensorProto.INT64)], constants=(1,),
               axis=-1, largest=1)


# --- matrices ------------------------------------------------------------------------------------------------------------------------


def matrices(rng, dtype):
    for rows, inner, columns in ((1, 64, 48), (3, 31, 33), (33, 65, 7), (40, 128, 130), (1, 1, 1), (0, 8, 4)):
        a, b = normal(rng, dtype, 1, rows, inner), normal(rng, dtype, inner, columns) / np.asarray(max(inner, 1) ** 0.5, dtype)
        yield case(f"MatMul-{rows}x{inner}x{columns}", "MatMul", [a, b.astype(dtype)], constants=(1,))


def matmul_nbits(rng, dtype):
    def one(rows, inner, columns, block, bits=4, points=False, bias=False):
        blocks = -(-inner // block)
        scales = (rng.random((columns, blocks)) * 0.05 + 0.01).astype(dtype)
        inputs = [normal(rng, dtype, 1, rows, inner), quantised(rng, columns, blocks, block * bits // 8), scales,
                  quantised(rng, columns, (blocks * bits + 7) // 8) if points else None, None,
                  normal(rng, dtype, columns) if bias else None]
        name = f"MatMulNBits-{rows}x{inner}x{columns}-b{block}-q{bits}{'-zp' if points else ''}{'-bias' if bias else ''}"
        return case(name, "MatMulNBits", inputs, constants=(1, 2, 3, 5), domain=MS, K=inner, N=columns, bits=bits, block_size=block)

    for block in (16, 32, 64, 128, 256):
        for bits in (4, 8):
            yield one(1, 256, 40, block, bits)
            yield one(5, 256, 33, block, bits, points=True)
    for rows in (1, 2, 3, 16, 33, 130):
        yield one(rows, 96, 65, 32)
    yield one(1, 48, 31, 32)             # the last block is half full
    yield one(7, 96, 1, 64, points=True)  # two blocks, one and a half used
    yield one(4, 96, 64, 32, points=True)  # three blocks: an odd number of zero points in a row
    yield one(1, 128, 64, 32, bias=True)
    yield one(9, 128, 64, 32, 8, points=True, bias=True)


def gather_block_quantized(rng, dtype):
    for bits in (4, 8):
        for points in (False, True):
            for block in (16, 32, 128):
                width = 256
                data = quantised(rng, 41, width * bits // 8)
                scales = (rng.random((41, width // block)) * 0.05).astype(dtype)
                zero_points = quantised(rng, 41, width // block * bits // 8) if points else None
                indices = rng.integers(0, 41, (1, 7))
                indices[0, 2] = -1
                inputs = [data, indices, scales, zero_points]
                yield case(f"GatherBlockQuantized-b{block}-q{bits}{'-zp' if points else ''}", "GatherBlockQuantized", inputs,
                           [("out0", onnx_type(scales))], constants=(0, 2, 3), domain=MS, bits=bits, block_size=block, gather_axis=0,
                           quantize_axis=1)


# --- norms and convolution -----------------------------------------------------------------------------------------------------------


def norms(rng, dtype):
    for rows, width in ((1, 64), (5, 33), (33, 1), (3, 1024), (2, 2880)):
        x, skip = normal(rng, dtype, 1, rows, width), normal(rng, dtype, 1, rows, width)
        gamma, bias = normal(rng, dtype, width), normal(rng, dtype, width)
        size = f"{rows}x{width}"
        yield case(f"SimplifiedLayerNormalization-{size}", "SimplifiedLayerNormalization", [x, gamma], constants=(1,), axis=-1, epsilon=1e-6,
                   stash_type=1)
        for suffix, extra, outputs in (("", [], ["out0"]), ("-sum", [], ["out0", "", "", "out3"]), ("-bias", [bias], ["out0", "", "", "out3"])):
            yield case(f"SkipSimplifiedLayerNormalization-{size}{suffix}", "SkipSimplifiedLayerNormalization", [x, skip, gamma, *extra], outputs,
                       constants=(2, 3), domain=MS, epsilon=1e-5)
    heads = normal(rng, dtype, 1, 3, 4, 16)
    yield case("SimplifiedLayerNormalization-heads", "SimplifiedLayerNormalization", [heads, normal(rng, dtype, 16)], constants=(1,), axis=-1,
               epsilon=1e-6, stash_type=1)
    large = np.asarray(200 * normal(rng, np.float32, 1, 2, 64), dtype)  # its squares overflow float16
    yield case("SimplifiedLayerNormalization-large", "SimplifiedLayerNormalization", [large, normal(rng, dtype, 64)], constants=(1,), axis=-1,
               epsilon=1e-6, stash_type=1)


def convolutions(rng, dtype):
    for length in (1, 2, 5, 70):
        for kernel in (2, 3, 4):
            for activation, bias in (("none", False), ("silu", True)):
                channels = 33
                inputs = [normal(rng, dtype, 1, channels, length), normal(rng, dtype, channels, 1, kernel),
                          normal(rng, dtype, channels) if bias else None, normal(rng, dtype, 1, channels, kernel - 1)]
                yield case(f"CausalConvWithState-{length}-k{kernel}-{activation}", "CausalConvWithState", inputs, 2, constants=(1, 2), domain=MS,
                           activation=activation, ndim=1)


# --- attention -----------------------------------------------------------------------------------------------------------------------


def rope_tables(rng, dtype, positions, half):
    angles = np.arange(positions)[:, None] / 100.0 ** (np.arange(half) / half)
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def attention(rng, dtype):
    def one(label, new, past, heads=4, kv=2, size=16, packed=True, rope=True, window=-1, sink=False, norm=False,
            interleaved=0, **extra):
        total = new + past
        shape = lambda n: (1, new, n * size)  # noqa: E731
        q = [normal(rng, dtype, *shape(heads + 2 * kv)), None, None] if packed else [normal(rng, dtype, *shape(n)) for n in (heads, kv, kv)]
        cache = [normal(rng, dtype, 1, kv, past, size) for _ in range(2)]
        tables = rope_tables(rng, dtype, 512, size // 2) if rope else (None, None)
        norms = [None, None, *(1 + normal(rng, dtype, size) / 4 for _ in range(2))] if norm else []
        inputs = [*q, *cache, np.array([[total - 1]], np.int32), np.array(total, np.int32), *tables, None, None,
                  normal(rng, dtype, heads) if sink else None, *norms]
        inputs = [i if i is None or i.dtype.kind == "i" else i.astype(dtype) for i in inputs]
        return case(f"GroupQueryAttention-{label}-{new}-{past}", "GroupQueryAttention", inputs, 3, constants=(7, 8, 11, 14, 15), domain=MS,
                    num_heads=heads, kv_num_heads=kv, do_rotary=int(rope), rotary_interleaved=interleaved, local_window_size=window, **extra)

    for new, past in ((1, 0), (5, 0), (40, 0), (1, 7), (1, 63), (1, 200), (6, 9), (33, 70)):
        yield one("packed", new, past)
        yield one("separate", new, past, packed=False)
        yield one("window-sink", new, past, window=8, sink=True)
        yield one("norm", new, past, packed=False, norm=True, qk_norm_epsilon=1e-5)
    for size in (32, 64, 128):
        yield one(f"size{size}", 5, 3, size=size)
        yield one(f"size{size}", 1, 40, size=size)
    for heads, kv in ((1, 1), (3, 1), (4, 4), (8, 1), (10, 5)):
        yield one(f"heads{heads}-{kv}", 3, 11, heads=heads, kv=kv)
    yield one("no-rope", 4, 4, rope=False)
    yield one("no-rope", 1, 30, rope=False)
    yield one("interleaved", 5, 6, interleaved=1)
    yield one("scale", 3, 5, scale=0.2)
    yield one("softcap", 3, 5, softcap=5.0)
    yield one("sink", 3, 300, sink=True)
    yield one("window-one", 4, 6, window=1)
    yield one("window-edge", 1, 32, window=32)
    yield one("window-edge", 1, 31, window=32)


# --- experts -------------------------------------------------------------------------------------------------------------------------


def experts(rng, dtype):
    def one(rows, hidden, inner, count, k, block=32, bits=4, bias=True, alpha=1.702, beta=1.0, limit=None):
        pack = lambda n, columns: quantised(rng, count, n, columns * bits // 8)  # noqa: E731
        step = 0.4 / 2**bits
        scale = lambda n, columns: (rng.random((count, n, columns // block)) * step + step / 3).astype(dtype)  # noqa: E731
        add = lambda n: normal(rng, dtype, count, n) if bias else None  # noqa: E731
        inputs = [normal(rng, dtype, rows, hidden), normal(rng, dtype, rows, count), pack(2 * inner, hidden), scale(2 * inner, hidden),
                  add(2 * inner), pack(hidden, inner), scale(hidden, inner), add(hidden)]
        attributes = {} if limit is None else {"swiglu_limit": limit}
        name = f"QMoE-{rows}x{hidden}x{inner}-e{count}-k{k}-b{block}-q{bits}{'' if bias else '-nobias'}-a{alpha}{'' if limit is None else '-limit'}"
        return case(name, "QMoE", inputs, constants=range(2, 8), domain=MS, k=k, activation_type="swiglu", swiglu_fusion=1,
                    normalize_routing_weights=1, expert_weight_bits=bits, block_size=block, activation_alpha=alpha, activation_beta=beta,
                    **attributes)

    for rows in (1, 2, 33, 130):
        yield one(rows, 64, 64, 8, 4)
    yield one(1, 64, 32, 5, 1)
    yield one(7, 96, 64, 3, 3, bias=False)
    yield one(3, 64, 64, 8, 4, limit=1.0)
    yield one(3, 64, 96, 16, 2, alpha=1.0, beta=0.0)
    yield one(4, 128, 128, 6, 2, block=64)
    yield one(5, 128, 128, 6, 2, block=128)
    yield one(1, 64, 64, 8, 4, bits=8)
    yield one(40, 64, 96, 6, 3, bits=8)


def float_experts(rng, dtype):
    for rows, hidden, inner, count, k in ((1, 64, 64, 8, 4), (20, 32, 48, 5, 2), (3, 33, 31, 3, 1)):
        inputs = [normal(rng, dtype, rows, hidden), normal(rng, dtype, rows, count), normal(rng, dtype, count, 2 * inner, hidden) / 8,
                  normal(rng, dtype, count, 2 * inner), normal(rng, dtype, count, hidden, inner) / 8, normal(rng, dtype, count, hidden)]
        yield case(f"MoE-{rows}x{hidden}x{inner}-e{count}-k{k}", "MoE", [np.asarray(i, dtype) for i in inputs], constants=range(2, 6), domain=MS,
                   k=k, activation_type="swiglu", swiglu_fusion=1, normalize_routing_weights=1, activation_alpha=1.702, activation_beta=1.0,
                   swiglu_limit=7.0)


def all_cases():
    from op_cases_attention import attention_cases  # it builds on this file

    yield from attention_cases()
    for make in (elementwise, moving, reductions, matrices, matmul_nbits, gather_block_quantized, norms, convolutions, attention, experts,
                 float_experts):
        yield from both_types(make)
    for make in (casts, integers, topk):
        yield from make()
    yield from type_cases(case)
    yield from more_cases(case, both_types, normal)
    from op_cases_moe import cases as moe_cases  # it builds on this file

    yield from moe_cases()
    yield from topk_cases(lambda *parts: Case(*parts, exact=True))
