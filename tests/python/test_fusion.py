"""Random stacks of layers whose nodes the compiler joins (biases, residual additions and norms with quantised products): joined, node by
node, and in ONNX Runtime's CPU provider."""

import os
import re
import subprocess

import numpy as np
import onnx
import onnxruntime
import oracle
import pytest
from command import BUILD, MODELS, disabled, succeed
from onnx import helper, numpy_helper

MS, WIDTH, BLOCK, EXPERTS = "com.microsoft", 64, 32, 4
# Of the largest number of a result. In float16 either way rounds at other places, and layer upon layer adds up.
TOLERANCE = {np.float32: 5e-5, np.float16: 3e-2}


class Stack:
    """A stream of (1, rows, WIDTH) that products read and add to; what is joined and what must stay is drawn by the seed."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.dtype = self.rng.choice([np.float32, np.float16])
        self.rows = int(self.rng.choice([1, 1, 1, 2, 9]))
        self.nodes, self.initializers, self.outputs = [], [], []
        self.x = self.rng.standard_normal((1, self.rows, WIDTH)).astype(self.dtype)

    def chance(self, p):
        return self.rng.random() < p

    def constant(self, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(self.initializers)}"))
        return self.initializers[-1].name

    def node(self, op, inputs, count=1, domain="", **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, inputs, names, f"{op}_{len(self.nodes)}", domain=domain, **attributes))
        return names if count > 1 else names[0]

    def vector(self, size=WIDTH):
        return self.constant((0.5 + self.rng.random(size)).astype(self.dtype))

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
        return self.node("Add", [y, self.vector(n)] if self.chance(0.5) else [self.vector(n), y]) if self.chance(0.5) else y

    def shuffled(self, *pair):
        return [*pair] if self.chance(0.5) else [*pair][::-1]

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
        return self.node("SimplifiedLayerNormalization", [x, self.vector()], epsilon=1e-5)

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
        pair = [stream, product] if self.chance(0.5) else [product, stream]
        if self.chance(0.5):
            out = self.node("SkipSimplifiedLayerNormalization", [*pair, self.vector()], 4, MS, epsilon=1e-5)
            self.nodes[-1].output[1] = self.nodes[-1].output[2] = ""
            return out[3], out[0]
        stream = self.node("Add", pair)
        return stream, self.normed(stream)

    def model(self):
        stream, normed = "x", self.normed("x")
        for _ in range(1 + int(self.rng.integers(4))):
            stream, normed = self.layer(stream, normed)
        self.outputs = [*dict.fromkeys([*self.outputs, stream, self.matmul(normed)])]
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        tensor = lambda name: helper.make_tensor_value_info(name, kind, None)  # noqa: E731
        graph = helper.make_graph(self.nodes, "layers", [helper.make_tensor_value_info("x", kind, [1, self.rows, WIDTH])],
                                  [tensor(name) for name in self.outputs], self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)], ir_version=10)


SEEDS = range(int(os.environ.get("SLUICE_RANDOM_CASES", "60")))


def run_all(root, name, env, seeds=SEEDS):
    lines = [f"{root / str(seed)}/model.onnx {root / str(seed)}/in {root / str(seed)}/{name}\n" for seed in seeds]
    (root / f"{name}.list").write_text("".join(lines))
    done = subprocess.run([BUILD / "run_graph", root / f"{name}.list"], env=env, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("fusion")
    for seed in SEEDS:
        stack, folder = Stack(seed), root / str(seed)
        (folder / "in").mkdir(parents=True)
        onnx.save(stack.model(), folder / "model.onnx")
        np.save(folder / "in/x.npy", stack.x)
    run_all(root, "joined", disabled("dot4i8"))
    run_all(root, "single", disabled("dot4i8,fusion"))
    return root


@pytest.mark.parametrize("seed", SEEDS)
def test_stack(results, seed):
    stack = Stack(seed)
    model = stack.model()
    oracle.to_float32(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for name, expected in zip(stack.outputs, session.run(stack.outputs, {"x": stack.x.astype(np.float32)})):
        limit = TOLERANCE[stack.dtype] * max(1.0, np.abs(expected).max())
        for way in ("joined", "single"):
            actual = np.load(results / str(seed) / way / f"{name}.npy")
            np.testing.assert_allclose(actual.astype(np.float32), expected, rtol=0, atol=limit, err_msg=f"{way} {name}")


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
