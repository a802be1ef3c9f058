"""Integer types that are rare in models: moving them, selecting from them, and casts that wrap."""

import numpy as np
from onnx import helper

INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint16, np.uint32, np.uint64)
WIDE = 2**32  # on the GPU 64-bit integers have 32 bits


def limits(dtype):
    """The least and greatest value that the GPU takes."""
    info, half = np.iinfo(dtype), np.iinfo(np.uint32 if np.dtype(dtype).kind == "u" else np.int32)
    return max(info.min, half.min), min(info.max, half.max)


def values(rng, dtype, *shape):
    low, high = limits(dtype)
    array = rng.integers(low, high, shape, dtype=np.int64, endpoint=True).astype(dtype)
    array.flat[:2] = low, high
    return array


def moves(case):
    rng = np.random.default_rng(31)
    for dtype in INTEGERS:
        label, x = np.dtype(dtype).name, values(rng, dtype, 3, 8)
        yield case(f"Transpose-{label}", "Transpose", [x], perm=[1, 0])
        yield case(f"Concat-{label}", "Concat", [x, x[:1]], axis=0)
        yield case(f"Gather-{label}", "Gather", [x, np.array([2, 0])], axis=0)
        yield case(f"Where-{label}", "Where", [np.arange(8) % 3 == 0, x, x[::-1]], [("out0", helper.np_dtype_to_tensor_dtype(x.dtype))])
        yield case(f"Reshape-{label}", "Reshape", [x, np.array([4, 6])], constants=(1,))
        yield case(f"Gather-constant-{label}", "Gather", [x, np.array([2, 0])], constants=(0,), axis=1)


def casts(case):
    rng = np.random.default_rng(32)
    sources = [*INTEGERS, np.float32, np.float16, np.bool_]
    for source in sources:
        for target in sources:
            if {source, target} <= {np.float32, np.float16, np.int32, np.int64, np.bool_}:
                continue  # casts() of op_cases has them
            kind = np.dtype(source).kind
            if kind == "b":
                x = rng.integers(0, 2, (3, 11)).astype(bool)
            elif kind == "f":
                x = (rng.integers(0, 99, (3, 11)) + 0.375).astype(source)
            else:
                x = values(rng, source, 3, 11)
                x[0, :4] = 0, 1, 100, 127
                if np.dtype(target).kind == "f":
                    x //= 4096 if np.iinfo(source).max > 40000 and target == np.float16 else 1
                    x = np.clip(x, -60000 if kind == "i" else 0, 60000).astype(source)
            low, high = limits(target) if np.dtype(target).kind in "iu" else (0, 0)
            if target in (np.int64, np.uint64) and kind in "iu":
                if limits(source)[0] < low or limits(source)[1] > high:
                    continue  # refused
            to = helper.np_dtype_to_tensor_dtype(np.dtype(target))
            yield case(f"Cast-{np.dtype(source).name}-{np.dtype(target).name}", "Cast", [x], [("out0", to)], to=to)


def type_cases(case):
    yield from moves(case)
    yield from casts(case)
