"""The operators of random graphs: each function adds a node to the graph or raises Unfit. See random_graphs.py."""

import numpy as np
from onnx import helper
from random_graph import BOOL, EPSILON, EXACT, I32, I64, SIZES, Unfit, joined_shape


def arithmetic(g):
    v = g.pick(lambda v: v.dtype != BOOL)
    op = g.one_of(["Add", "Sub", "Mul", "Max", "Min"])
    o = g.operand(v)
    a, b = (v, o) if g.chance(0.5) else (o, v)
    shape = np.broadcast_shapes(a.shape, b.shape)
    if op == "Mul":
        magnitude, error = a.magnitude * b.magnitude, a.magnitude * b.error + b.magnitude * a.error
    elif op in ("Add", "Sub"):
        magnitude, error = a.magnitude + b.magnitude, a.error + b.error
    else:
        magnitude, error = max(a.magnitude, b.magnitude), max(a.error, b.error)
        return g.add(op, [a, b], (v.dtype, shape, magnitude, error))
    return g.add(op, [a, b], (v.dtype, shape, *g.rounded(v.dtype, magnitude, error, exact=op != "Mul")))


def division(g):
    v = g.pick(lambda v: v.dtype != BOOL)
    o = g.constant(g.numbers(v.dtype, g.broadcastable(v.shape), 1, 5))
    if v.is_float:
        return g.add("Div", [v, o], (v.dtype, v.shape, *g.rounded(v.dtype, v.magnitude, v.error)))
    return g.add(g.one_of(["Div", "Mod"]), [v, o], (v.dtype, v.shape, max(v.magnitude, 5), 0))


def unary(g):
    v = g.pick_float()
    m, e = v.magnitude, v.error
    table = {"Neg": (m, e), "Abs": (m, e), "Relu": (m, e), "Sigmoid": (1, e), "Tanh": (1, e), "Erf": (1, 1.2 * e), "Gelu": (m + 0.2, 1.2 * e),
             "Softplus": (m + 0.7, e), "Exp": (np.exp(min(m, 20)), e * np.exp(min(m, 20))), "Sin": (1, e), "Cos": (1, e)}
    op = g.one_of(sorted(table))
    magnitude, error = table[op]
    if op in ("Neg", "Abs", "Relu"):
        return g.same(op, v, v.shape)
    if op in ("Sin", "Cos") and m > 60:
        raise Unfit
    return g.add(op, [v], (v.dtype, v.shape, *g.rounded(v.dtype, magnitude, error)))


def positive(g):
    v = g.pick_float(lambda v: v.error < 1e-2)
    absolute = g.same("Abs", v, v.shape)
    half = g.constant(np.array(0.5, v.dtype))
    base = g.add("Add", [absolute, half], (v.dtype, v.shape, *g.rounded(v.dtype, v.magnitude + 0.5, v.error, exact=True)))
    op, slope, magnitude = g.one_of([("Sqrt", 1, base.magnitude), ("Log", 2.1, max(0.7, np.log(base.magnitude))), ("Reciprocal", 4.1, 2)])
    return g.add(op, [base], (v.dtype, v.shape, *g.rounded(v.dtype, magnitude, slope * base.error)))


def rounding(g):
    v = g.pick_float(lambda v: v.is_exact and v.magnitude < EXACT[v.dtype])
    op = g.one_of(["Floor", "Ceil", "Round", "Sign"])
    return g.add(op, [v], (v.dtype, v.shape, 1 if op == "Sign" else v.magnitude + 1, 0))


def clip(g):
    v = g.pick_float()
    low, high = g.constant(np.array(-1.5, v.dtype)), g.constant(np.array(2, v.dtype))
    return g.add("Clip", [v, low if g.chance(0.7) else None, high], (v.dtype, v.shape, v.magnitude, v.error))


def compare(g):
    v = g.pick(lambda v: v.dtype != BOOL and v.is_exact)
    o = g.operand(v)
    if not o.is_exact:
        raise Unfit
    op = g.one_of(["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"])
    return g.add(op, [v, o], (BOOL, np.broadcast_shapes(v.shape, o.shape), 1, 0))


def logic(g):
    v = g.pick(lambda v: v.dtype == BOOL)
    op = g.one_of(["And", "Or", "Xor", "Not"])
    if op == "Not":
        return g.same(op, v, v.shape)
    o = g.operand(v)
    return g.add(op, [v, o], (BOOL, np.broadcast_shapes(v.shape, o.shape), 1, 0))


def where(g):
    condition = g.pick(lambda v: v.dtype == BOOL)
    yes = g.pick(lambda v: v.dtype != BOOL and joined_shape(v.shape, condition.shape))
    no = g.operand(yes)
    if not joined_shape(condition.shape, yes.shape, no.shape):
        raise Unfit
    shape = np.broadcast_shapes(condition.shape, yes.shape, no.shape)
    return g.add("Where", [condition, yes, no], (yes.dtype, shape, max(yes.magnitude, no.magnitude), max(yes.error, no.error)))


def cast(g):
    v = g.pick()
    to = g.one_of([t for t in (g.float, np.dtype(np.float32), I64, I32, BOOL) if t != v.dtype])
    if v.is_float and to.kind != "f" and not v.is_exact:
        raise Unfit
    magnitude, error = (1, 0) if to == BOOL else g.rounded(to, v.magnitude, v.error, exact=True)
    return g.add("Cast", [v], (to, v.shape, magnitude, error), to=helper.np_dtype_to_tensor_dtype(to))


def transpose(g):
    v = g.pick(lambda v: len(v.shape) > 1)
    order = g.rng.permutation(len(v.shape)).tolist()
    return g.same("Transpose", v, [v.shape[i] for i in order], perm=order)


def reshape(g):
    v = g.pick(lambda v: v.size > 0)
    primes, rest = [], v.size
    for p in (2, 3, 5, 7, 11, 31):
        while rest % p == 0:
            primes.append(p)
            rest //= p
    shape = [1] * (1 + g.below(4))
    for p in [*primes, rest]:
        shape[g.below(len(shape))] *= p
    asked = list(shape)
    if g.chance(0.5):
        asked[g.below(len(asked))] = -1
    return g.same("Reshape", v, shape, [v, g.ints(*asked)])


def squeeze(g):
    v = g.pick()
    if g.chance(0.5):
        at = g.below(len(v.shape) + 1)
        return g.same("Unsqueeze", v, [*v.shape[:at], 1, *v.shape[at:]], [v, g.ints(at)])
    if g.chance(0.4):
        at = g.below(len(v.shape) + 1)
        return g.same("Flatten", v, [int(np.prod(v.shape[:at])), int(np.prod(v.shape[at:]))], axis=at)
    axis, at = g.axis(v, lambda size: size == 1)
    return g.same("Squeeze", v, [*v.shape[:at], *v.shape[at + 1:]], [v, g.ints(axis)])


def slice_(g):
    v = g.pick()
    axis, at = g.axis(v, lambda size: size > 1)
    size, step = v.shape[at], g.one_of([1, 1, 2, 3, -1, -2])
    start, end = sorted(int(i) for i in g.rng.choice(size + 1, 2, replace=False))
    taken = range(size)[start:end:step]
    if step < 0:
        start, end = end - 1, start - 1 if start else -(10**9)
        taken = range(size)[start::step] if end < 0 else range(size)[start:end:step]
    return g.same("Slice", v, [*v.shape[:at], len(taken), *v.shape[at + 1:]], [v, g.ints(start), g.ints(end), g.ints(axis), g.ints(step)])


def gather(g):
    v = g.pick()
    axis, at = g.axis(v, lambda size: size > 0)
    size = v.shape[at]
    if g.chance(0.5) and v.dtype != BOOL:
        shape = [*v.shape]
        shape[at] = 1 + g.below(4)
        indices = g.rng.integers(-size, size, shape)
        return g.same("GatherElements", v, shape, [v, g.constant(indices)], axis=axis)
    indices = g.rng.integers(-size, size, g.one_of([(), (1,), (3,), (2, 2)]))
    return g.same("Gather", v, [*v.shape[:at], *indices.shape, *v.shape[at + 1:]], [v, g.constant(np.asarray(indices, np.int64))], axis=axis)


def concat(g):
    v = g.pick(lambda v: len(v.shape) > 0)
    axis, at = g.axis(v)
    fits = [o for o in g.values if o.dtype == v.dtype and len(o.shape) == len(v.shape)
            and all(a == b for i, (a, b) in enumerate(zip(o.shape, v.shape)) if i != at)]
    parts = [g.one_of(fits) for _ in range(1 + g.below(3))]
    shape = [*v.shape]
    shape[at] = sum(p.shape[at] for p in parts)
    return g.add("Concat", parts, (v.dtype, shape, max(p.magnitude for p in parts), max(p.error for p in parts)), axis=axis)


def split(g):
    v = g.pick()
    axis, at = g.axis(v, lambda size: size > 1)
    first = 1 + g.below(v.shape[at] - 1)
    shapes = [[*v.shape[:at], n, *v.shape[at + 1:]] for n in (first, v.shape[at] - first)]
    return g.add("Split", [v, g.ints(first, v.shape[at] - first)], *((v.dtype, s, v.magnitude, v.error) for s in shapes), axis=axis)


def grow(g):
    v = g.pick(lambda v: len(v.shape) > 0 and v.dtype != BOOL)
    op = g.one_of(["Expand", "Tile", "Pad"])
    if op == "Expand":
        shape = [1 + g.below(4) if size == 1 else size for size in v.shape]
        shape = [2, *shape] if g.chance(0.3) else shape
        return g.same("Expand", v, shape, [v, g.ints(*shape)])
    if op == "Tile":
        repeats = [1 + g.below(3) for _ in v.shape]
        return g.same("Tile", v, [s * r for s, r in zip(v.shape, repeats)], [v, g.ints(*repeats)])
    before, after = ([g.below(3) for _ in v.shape] for _ in range(2))
    value = g.constant(np.array(2, v.dtype))
    shape = [s + b + a for s, b, a in zip(v.shape, before, after)]
    return g.add("Pad", [v, g.ints(*before, *after), value], (v.dtype, shape, max(v.magnitude, 2), v.error), mode="constant")


def trilu(g):
    v = g.pick(lambda v: len(v.shape) > 1 and v.dtype != BOOL)
    return g.same("Trilu", v, v.shape, [v, g.constant(np.array(g.below(5) - 2, np.int64))], upper=g.below(2))


def reduce(g):
    v = g.pick(lambda v: v.dtype != BOOL and v.size > 0)
    op = g.one_of(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"] if v.is_float else ["ReduceSum", "ReduceMax", "ReduceMin"])
    if not v.shape:
        raise Unfit
    axes = sorted(int(a) for a in g.rng.choice(len(v.shape), 1 + g.below(len(v.shape)), replace=False))
    keep = g.below(2)
    shape = [1 if i in axes else size for i, size in enumerate(v.shape) if keep or i not in axes]
    count = int(np.prod([v.shape[a] for a in axes]))
    times = count if op == "ReduceSum" else 1
    bounds = v.magnitude * times, v.error * times
    if op in ("ReduceSum", "ReduceMean"):
        bounds = g.rounded(v.dtype, *bounds, exact=op == "ReduceSum")
    negative = [a - len(v.shape) * g.below(2) for a in axes]
    return g.add(op, [v, g.ints(*negative)], (v.dtype, shape, *bounds), keepdims=keep)


def cumsum(g):
    v = g.pick(lambda v: v.dtype != BOOL)
    axis, at = g.axis(v, lambda size: size > 0)
    times = v.shape[at]
    bounds = g.rounded(v.dtype, v.magnitude * times, v.error * times, exact=True)
    return g.add("CumSum", [v, g.constant(np.array(axis, np.int64))], (v.dtype, v.shape, *bounds), exclusive=g.below(2), reverse=g.below(2))


def softmax(g):
    v = g.pick_float(lambda v: v.size > 0)
    axis, _ = g.axis(v)
    if g.chance(0.7):
        return g.add("Softmax", [v], (v.dtype, v.shape, *g.rounded(v.dtype, 1, 2 * v.error)), axis=axis)
    return g.add("LogSoftmax", [v], (v.dtype, v.shape, *g.rounded(v.dtype, 2 * v.magnitude + 9, 2 * v.error)), axis=axis)


def normalisation(g):
    """With epsilon = 1, so that nothing is divided by a small number."""
    v = g.pick_float(lambda v: len(v.shape) > 0 and v.size > 0)
    width = v.shape[-1]
    scale, bias = (g.constant(g.numbers(v.dtype, (width,), -2, 2)) for _ in range(2))
    limit = min(2 * v.magnitude, width**0.5)
    bounds = g.rounded(v.dtype, 2 * limit + 2, v.error * (4 + 2 * limit) + EPSILON[v.dtype])
    return g.add("LayerNormalization", [v, scale, bias if g.chance(0.7) else None], (v.dtype, v.shape, *bounds), axis=-1, epsilon=1.0)


def matmul(g):
    v = g.pick_float(lambda v: len(v.shape) > 1)
    inner, columns = v.shape[-1], g.one_of(SIZES)
    if g.chance(0.3) and len(v.shape) == 2:
        right = g.constant(g.numbers(v.dtype, (columns, inner) if (flip := g.below(2)) else (inner, columns), -1, 1))
        bounds = g.rounded(v.dtype, v.magnitude * inner + 4, v.error * inner)
        return g.add("Gemm", [v, right, g.constant(g.numbers(v.dtype, (columns,)))], (v.dtype, (v.shape[0], columns), *bounds), transB=flip)
    batch = g.broadcastable(v.shape[:-2]) if g.chance(0.5) else ()
    array = g.numbers(v.dtype, (*batch, inner, columns), -1, 1)
    right = g.constant(array) if g.chance(0.6) else g.input(array)
    bounds = g.rounded(v.dtype, v.magnitude * inner, v.error * inner)
    return g.add("MatMul", [v, right], (v.dtype, (*v.shape[:-1], columns), *bounds))


def topk(g):
    v = g.pick_float(lambda v: v.is_exact)
    if g.chance(0.3):
        if v.size == 0:
            raise Unfit  # ONNX Runtime leaves the shape of an empty tensor as it was
        axis, at = g.axis(v, lambda size: size > 0)
        keep = g.below(2)
        shape = [*v.shape[:at], *([1] if keep else []), *v.shape[at + 1:]]
        return g.add(g.one_of(["ArgMax", "ArgMin"]), [v], (I64, shape, v.shape[at], 0), axis=axis, keepdims=keep)
    axis, at = g.axis(v, lambda size: size > 0)
    k = 1 + g.below(v.shape[at])
    shape = [*v.shape[:at], k, *v.shape[at + 1:]]
    results = (v.dtype, shape, v.magnitude, 0), (I64, shape, v.shape[at], 0)
    return g.add("TopK", [v, g.ints(k)], *results, axis=axis, largest=g.below(2))


OPERATORS = [arithmetic, arithmetic, division, unary, unary, positive, rounding, clip, compare, logic, where, cast, transpose, reshape, squeeze,
             slice_, gather, concat, split, grow, trilu, reduce, reduce, cumsum, softmax, normalisation, matmul, matmul, topk]
