"""Attention with the nodes that exporters put around it, which the compiler joins with it (a Split of one product, norms of each head, a
gate): joined, node by node, and in ONNX Runtime's CPU provider."""

import numpy as np
import pytest
from joined_graphs import MS, JoinedGraph, Results


class Layer(JoinedGraph):
    """One attention layer; what stands around it, its sizes and options are drawn by the seed."""

    def __init__(self, seed):
        super().__init__(1000 + seed)
        self.kv_heads, self.group, self.size = int(self.rng.integers(1, 4)), int(self.rng.integers(1, 9)), int(self.rng.choice([16, 32, 64, 128]))
        self.heads = self.kv_heads * self.group
        self.new, self.past = int(self.rng.choice([1, 1, 1, 2, 40])), int(self.rng.choice([0, 5, 70, 700]))
        self.attention()

    def reshape(self, x, *shape):
        return self.node("Reshape", [x, self.constant(np.array(shape, np.int64))])

    def head_norm(self, x, heads, epsilon):
        weight, rows = self.vector(self.size), self.reshape(x, 0, -1, self.size)
        return self.reshape(self.node("SimplifiedLayerNormalization", [rows, weight], epsilon=epsilon), 0, -1, heads * self.size)

    def query_key_value(self):
        widths = [n * self.size for n in (self.heads, self.kv_heads, self.kv_heads)]
        if self.chance(0.5):
            q, k, v = self.node("Split", [self.feed("qkv", 1, self.new, sum(widths)), self.constant(np.array(widths, np.int64))], 3, axis=-1)
        else:
            q, k, v = (self.feed(name, 1, self.new, width) for name, width in zip("qkv", widths))
        if self.chance(0.6):
            q, k = self.head_norm(q, self.heads, 1e-5), self.head_norm(k, self.kv_heads, 1e-5 if self.chance(0.8) else 1e-3)
        return [q, k, v]

    def rotary(self):
        angles = self.rng.random((self.past + self.new, self.size // 2)) * 6.28
        return [self.constant(f(angles).astype(self.dtype)) for f in (np.cos, np.sin)]

    def gate(self, x):
        return self.node("Mul", self.shuffled(x, self.node("Sigmoid", [self.feed("gate", 1, self.new, self.heads * self.size)])))

    def attention(self):
        inputs = self.query_key_value()
        inputs += [self.feed(f"past_{part}", 1, self.kv_heads, self.past, self.size) for part in ("key", "value")]
        total = self.past + self.new
        inputs += [self.constant(np.array([total - 1], np.int32)), self.constant(np.array(total, np.int32))]
        rotary = self.chance(0.7)
        inputs += self.rotary() if rotary else ["", ""]
        window = int(self.rng.choice([-1, 3, 64]))
        outputs = self.node("GroupQueryAttention", inputs, 3, MS, num_heads=self.heads, kv_num_heads=self.kv_heads, do_rotary=int(rotary),
                            local_window_size=window)
        result = self.gate(outputs[0]) if self.chance(0.6) else outputs[0]
        self.outputs = [result, *outputs[1:]]


SEEDS = range(24)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Results(tmp_path_factory.mktemp("attention"), {seed: Layer(seed) for seed in SEEDS})


@pytest.mark.parametrize("seed", SEEDS)
def test_layer(results, seed):
    results.check(seed)
