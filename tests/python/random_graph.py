"""A random graph while it grows: values with bounds of magnitude and error, and random choices among them. See random_graphs.py."""

from dataclasses import dataclass

import numpy as np
from onnx import helper, numpy_helper

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
        names = [v.name if v else "" for v in inputs]
        self.nodes.append(helper.make_node(op, names, [v.name for v in outputs], f"{op}_{len(self.nodes)}", **attributes))
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
