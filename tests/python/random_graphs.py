"""Random small graphs: Sluice against ONNX Runtime's CPU provider.

    .deps/venv/bin/python tests/python/random_graphs.py --seeds 5000 --first 1000

A graph is a function of its seed. Every value carries a bound of its magnitude and of the error that float arithmetic may have made in it;
an operator is only added where both stay small, and one that jumps (Floor, comparisons, TopK, casts to integers) only where there is no error
at all. So a difference above the bound is a mistake, not rounding. What fails is kept, model and inputs, in the folder of --keep.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
OPSET = 21
EPSILON = {np.dtype(np.float32): 4e-6, np.dtype(np.float16): 2.0**-10}
EXACT = {np.dtype(np.float32): 2.0**18, np.dtype(np.float16): 200.0}  # multiples of 1/8 below this are exact
MAX_MAGNITUDE, MAX_ERROR, MAX_ELEMENTS, MAX_RANK = 2000.0, 0.05, 4000, 5
SIZES = [1, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 33]
I64, I32, BOOL = np.dtype(np.int64), np.dtype(np.int32), np.dtype(np.bool_)


@dataclass(eq=False)
class Value:
    name: str
    dtype: np.dtype
    shape: tuple
    magnitude: float = 0.0
    error: float = 0.0

    @property
    def is_float(self):
        return self.dtype.kind == "f"

    @property
    def is_exact(self):
        return self.error == 0

    @property
    def size(self):
        return int(np.prod(self.shape))


class Unfit(Exception):
    """This operator cannot be added here: try another."""


class Graph:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.initializers, self.feeds, self.values = [], [], {}, []
        self.float = np.dtype(self.rng.choice([np.float32, np.float16]))
        self.symbolic = self.rng.random() < 0.5
        self.zeros = self.rng.random() < 0.1

    # --- random choices

    def chance(self, p):
        return self.rng.random() < p

    def below(self, n):
        return int(self.rng.integers(n))

    def one_of(self, items):
        return items[self.below(len(items))]

    def pick(self, fits=lambda v: True):
        found = [v for v in self.values if fits(v)]
        if not found:
            raise Unfit
        return found[-1] if self.chance(0.4) else self.one_of(found)  # chains as well as wide graphs

    def pick_float(self, fits=lambda v: True):
        return self.pick(lambda v: v.is_float and fits(v))

    def axis(self, v, fits=lambda size: True):
        found = [i for i, size in enumerate(v.shape) if fits(size)]
        if not found:
            raise Unfit
        axis = self.one_of(found)
        return axis - len(v.shape) * self.below(2), axis

    def broadcastable(self, shape):
        """A shape that broadcasts to this one."""
        kept = [1 if self.chance(0.3) else size for size in shape]
        return tuple(kept[self.below(len(kept) + 1):]) if self.chance(0.4) else tuple(kept)

    # --- building

    def numbers(self, dtype, shape, low=-4, high=4):
        if dtype == BOOL:
            return np.asarray(self.rng.integers(0, 2, shape), dtype)
        if dtype.kind == "i":
            return np.asarray(self.rng.integers(low, high + 1, shape), dtype)
        return np.asarray(self.rng.integers(8 * low, 8 * high + 1, shape) / 8, dtype)

    def input(self, array):
        name = f"in{len(self.feeds)}"
        self.feeds[name] = array
        return Value(name, array.dtype, array.shape, float(np.abs(array.astype(np.float64)).max(initial=0)))

    def constant(self, array):
        array = np.asarray(array)
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return Value(name, array.dtype, array.shape, float(np.abs(array.astype(np.float64)).max(initial=0)))

    def ints(self, *numbers):
        return self.constant(np.array(numbers, np.int64))

    def operand(self, v, low=-4, high=4):
        """Something to join with v: a value that broadcasts with it, a constant, or another input."""
        fits = [o for o in self.values if o.dtype == v.dtype and joined_shape(o.shape, v.shape)]
        if fits and self.chance(0.5):
            return self.one_of(fits)
        array = self.numbers(v.dtype, self.broadcastable(v.shape), low, high)
        if self.chance(0.5):
            return self.constant(array)
        self.values.append(self.input(array))
        return self.values[-1]

    def add(self, op, inputs, *results, **attributes):
        """A node with results (dtype, shape, magnitude, error)."""
        for dtype, shape, magnitude, error in results:
            too_far = dtype.kind == "f" and (magnitude > MAX_MAGNITUDE or error > MAX_ERROR)
            if too_far or magnitude > 1e6 or int(np.prod(shape)) > MAX_ELEMENTS or len(shape) > MAX_RANK:
                raise Unfit
        outputs = [Value(f"v{len(self.nodes)}_{i}", np.dtype(d), tuple(map(int, s)), float(m), float(e)) for i, (d, s, m, e) in enumerate(results)]
        self.nodes.append(helper.make_node(op, [v.name if v else "" for v in inputs], [v.name for v in outputs], f"{op}_{len(self.nodes)}", **attributes))
        self.values += outputs
        return outputs[0]

    def same(self, op, v, shape, inputs=None, **attributes):
        """A node that only moves v's elements."""
        return self.add(op, inputs or [v], (v.dtype, shape, v.magnitude, v.error), **attributes)

    def rounded(self, dtype, magnitude, error, exact=False):
        """(dtype, ., magnitude, error) of a computed result; exact: of multiples of 1/8 again."""
        if dtype.kind != "f" or (exact and error == 0 and magnitude < EXACT[dtype]):
            return magnitude, error
        return magnitude, error + EPSILON[dtype] * max(magnitude, 2.0**-6)

    def model(self):
        used = {name for node in self.nodes for name in node.input}
        outputs = [v for v in self.values if v.name.startswith("v") and (v.name not in used or self.chance(0.2))]
        symbols = {}

        def declared(array):
            name = lambda size: symbols.setdefault(size, f"n{len(symbols)}")  # noqa: E731
            return [name(s) if self.symbolic and s != 1 else s for s in array.shape]

        tensor = lambda name, array, shape: helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shape)  # noqa: E731
        graph = helper.make_graph(self.nodes, "random", [tensor(n, a, declared(a)) for n, a in self.feeds.items()],
                                  [tensor(v.name, v, None) for v in outputs], self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10), outputs


def joined_shape(*shapes):
    try:
        return np.broadcast_shapes(*shapes) or (1,)
    except ValueError:
        return None


# --- operators: each adds a node to the graph or raises Unfit ----------------------------------------------------------------------------


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


def make(seed):
    """(model, feeds, outputs with their bounds)"""
    g = Graph(seed)
    for _ in range(1 + g.below(3)):
        shape = [g.one_of(SIZES) for _ in range(1 + g.below(4))]
        if g.zeros and g.chance(0.5):
            shape[g.below(len(shape))] = 0
        while np.prod(shape) > MAX_ELEMENTS:
            shape.pop()
        dtype = g.one_of([g.float, g.float, g.float, I64, I32, BOOL])
        g.values.append(g.input(g.numbers(dtype, shape)))
    wanted = 1 + g.below(12)
    for _ in range(200):
        if len(g.nodes) >= wanted:
            break
        try:
            g.one_of(OPERATORS)(g)
        except Unfit:
            pass
    model, outputs = g.model()
    used = {name for node in g.nodes for name in node.input}
    for value in [v for v in model.graph.input if v.name not in used]:
        model.graph.input.remove(value)
        del g.feeds[value.name]
    return model, g.feeds, outputs


# --- comparing -----------------------------------------------------------------------------------------------------------------------


def expected_results(model, feeds):
    import onnxruntime
    import oracle

    wide = onnx.ModelProto.FromString(model.SerializeToString())
    oracle.to_float32(wide)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(wide.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {n: a.astype(np.float32) if a.dtype == np.float16 else a for n, a in feeds.items()})


def check(seed, device):
    """None, or what is wrong."""
    import sluice

    model, feeds, outputs = make(seed)
    if not outputs:
        return None
    expected = expected_results(model, feeds)
    try:
        actual = sluice.Session(model.SerializeToString(), device).run(None, feeds)
    except sluice.Error as error:
        return f"refused: {error}"
    for value, e, a in zip(outputs, expected, actual):
        if (a.dtype, a.shape) != (value.dtype, e.shape):
            return f"{value.name} is {a.dtype}{list(a.shape)}, must be {value.dtype}{list(e.shape)}"
        far = np.abs(a.astype(np.float64) - e.astype(np.float64))
        limit = 2 * value.error + (0 if value.is_exact else 1e-6)
        if not (far <= limit).all():
            at = np.unravel_index(np.nanargmax(np.where(np.isnan(far), np.inf, far)), far.shape)
            return f"{value.name}{list(a.shape)} at {[int(i) for i in at]} is {a[at]}, must be {e[at]} within {limit:.2g}"
    return None


def keep(seed, folder):
    folder.mkdir(parents=True, exist_ok=True)
    model, feeds, _ = make(seed)
    onnx.save(model, folder / f"seed{seed}.onnx")
    np.savez(folder / f"seed{seed}.npz", **feeds)
    return folder / f"seed{seed}.onnx"


def run(seeds, folder):
    """What fails, a line each."""
    import sluice

    device, failures = sluice.Device(), []
    for seed in seeds:
        text = check(seed, device)
        if text:
            failures.append(f"seed {seed} ({keep(seed, folder)}): {text}")
    return failures


def main():
    build = Path(os.environ.get("SLUICE_BUILD", HERE.parent.parent / "build/release"))
    sys.path.insert(0, str(build / "python"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=300, help="how many graphs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--keep", type=Path, default=build / "random_graphs", help="folder for what fails")
    parser.add_argument("--print", action="store_true", help="print the graphs, run nothing")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    if options.print:
        for seed in seeds:
            print(onnx.printer.to_text(make(seed)[0]))
        return
    begin = time.perf_counter()
    failures = run(seeds, options.keep)
    print("\n".join(failures))
    print(f"random_graphs: {len(seeds)} graphs from seed {options.first}, {len(failures)} failed, {time.perf_counter() - begin:.0f} s")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
