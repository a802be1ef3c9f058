"""Random stacks of layers whose nodes the compiler joins (biases, residual additions and norms with quantised products): joined, node by
node, and in ONNX Runtime's CPU provider."""

import os
import re

import numpy as np
import pytest
from command import MODELS, disabled, succeed
from joined_graphs import MS, JoinedGraph, Results

WIDTH, BLOCK, EXPERTS = 64, 32, 4


class Stack(JoinedGraph):
    """A stream of (1, rows, WIDTH) that products read and add to; what is joined and what must stay is drawn by the seed."""

    def __init__(self, seed):
        super().__init__(seed)
        self.rows = int(self.rng.choice([1, 1, 1, 2, 9]))
        stream = self.feed("x", 1, self.rows, WIDTH)
        normed = self.normed(stream)
        for _ in range(1 + int(self.rng.integers(4))):
            stream, normed = self.layer(stream, normed)
        self.outputs = [*dict.fromkeys([*self.outputs, stream, self.matmul(normed)])]

    def quantised(self, *shape):
        blocks = shape[-1] // BLOCK
        scales = (self.rng.choice([-1, 1], (*shape[:-1], blocks)) * (0.05 + 0.1 * self.rng.random((*shape[:-1], blocks))) / shape[-1] ** 0.5)
        return self.rng.integers(0, 256, (*shape[:-1], shape[-1] // 2), dtype=np.uint8), scales.astype(self.dtype)

    def matmul(self, x, n=WIDTH):
        if self.chance(0.2):
            return self.node("MatMul", [x, self.constant((self.rng.standard_normal((WIDTH, n)) / WIDTH**0.5).astype(self.dtype))])
        weights, scales = self.quantised(n, WIDTH)
        y = self.node("MatMulNBits", [x, self.constant(weights.reshape(n, -1, BLOCK // 2)), self.constant(scales)], domain=MS, N=n, K=WIDTH, bits=4,
                      block_size=BLOCK)
        return self.node("Add", self.shuffled(y, self.vector(n))) if self.chance(0.5) else y

    def mlp(self, x):
        gate, up = self.matmul(x), self.matmul(x)
        if self.chance(0.15):
            self.outputs.append(gate)  # read outside: the activation stays
        if self.chance(0.3):
            activated = self.node("QuickGelu", [gate], domain=MS, alpha=1.25)
        else:
            activated = self.node("Mul", self.shuffled(gate, self.node("Sigmoid", [gate])))
        return self.matmul(self.node("Mul", self.shuffled(activated, up)))

    def gated_attention(self, x):
        """Products of other sizes than the gate's stand in for keys and values."""
        query, gate, key = self.matmul(x), self.matmul(x), self.matmul(x, 32)
        self.outputs.append(key)
        return self.matmul(self.node("Mul", [query, self.node("Sigmoid", [gate])]))

    def experts(self, x):
        router = self.node("Reshape", [self.matmul(x, EXPERTS), self.constant(np.array([-1, EXPERTS], np.int64))])
        fc1, fc2 = self.quantised(EXPERTS, 2 * BLOCK, WIDTH), self.quantised(EXPERTS, WIDTH, BLOCK)
        inputs = [x, router, self.constant(fc1[0]), self.constant(fc1[1]), "", self.constant(fc2[0]), self.constant(fc2[1])]
        return self.node("QMoE", inputs, domain=MS, k=2, activation_type="swiglu", swiglu_fusion=1, expert_weight_bits=4, block_size=BLOCK,
                         normalize_routing_weights=1)

    def normed(self, x):
        return self.node("SimplifiedLayerNormalization", [x, self.vector(WIDTH)], epsilon=1e-5)

    def layer(self, stream, normed):
        """(stream, normed) after a product of the normalised stream was added."""
        if self.chance(0.15):
            self.outputs.append(normed)
        kind = self.rng.choice([self.experts, self.experts, self.matmul, self.matmul, self.mlp, self.mlp, self.gated_attention])
        product = kind(normed)
        if self.chance(0.15):
            self.outputs.append(product)  # read outside: it must stay
        if self.chance(0.3):  # AfMoE's layers normalise a block's result before they add it
            product = self.normed(product)
        pair = self.shuffled(stream, product)
        if self.chance(0.5):
            out = self.node("SkipSimplifiedLayerNormalization", [*pair, self.vector(WIDTH)], 4, MS, epsilon=1e-5)
            self.nodes[-1].output[1] = self.nodes[-1].output[2] = ""
            return out[3], out[0]
        stream = self.node("Add", pair)
        return stream, self.normed(stream)


SEEDS = range(int(os.environ.get("SLUICE_RANDOM_CASES", "60")))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Results(tmp_path_factory.mktemp("fusion"), {seed: Stack(seed) for seed in SEEDS}, disable="dot4i8")


@pytest.mark.parametrize("seed", SEEDS)
def test_stack(results, seed):
    results.check(seed)


def dispatches(model, env):
    return int(re.search(r"dispatches +(\d+)", succeed("inspect", MODELS / model, env=env).out)[1])


def test_a_layer_of_gpt_oss_loses_its_additions_and_norms():
    """Of two layers: the biases after attention and router in each, and all five norms with the additions before them."""
    assert dispatches("gptoss-webgpu", disabled("fusion")) - dispatches("gptoss-webgpu", disabled()) == 9


def test_all_kinds_are_drawn():
    drawn = {(s.dtype, s.rows > 1, n.op_type) for s in map(Stack, SEEDS) for n in s.model().graph.node}
    for dtype in (np.float32, np.float16):
        for many in (False, True):
            assert {(dtype, many, op) for op in ("QMoE", "SkipSimplifiedLayerNormalization", "Add")} <= drawn
