"""Attention with the nodes that exporters put around it, which the compiler joins with it (a Split of one product, norms of each head, a
gate): joined, node by node, and in ONNX Runtime's CPU provider."""

import numpy as np
import onnx
import onnxruntime
import oracle
import pytest
from command import disabled
from onnx import helper, numpy_helper
from test_fusion import TOLERANCE, run_all

MS = "com.microsoft"


class Layer:
    """One attention layer; what stands around it, its sizes and options are drawn by the seed."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(1000 + seed)
        self.dtype = self.rng.choice([np.float32, np.float16])
        self.kv_heads, self.group, self.size = int(self.rng.integers(1, 4)), int(self.rng.integers(1, 9)), int(self.rng.choice([16, 32, 64, 128]))
        self.heads = self.kv_heads * self.group
        self.new, self.past = int(self.rng.choice([1, 1, 1, 2, 40])), int(self.rng.choice([0, 5, 70, 700]))
        self.nodes, self.initializers, self.feeds = [], [], {}

    def chance(self, p):
        return self.rng.random() < p

    def constant(self, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(self.initializers)}"))
        return self.initializers[-1].name

    def feed(self, name, *shape):
        self.feeds[name] = self.rng.standard_normal(shape).astype(self.dtype)
        return name

    def node(self, op, inputs, count=1, domain="", **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, inputs, names, f"{op}_{len(self.nodes)}", domain=domain, **attributes))
        return names if count > 1 else names[0]

    def reshape(self, x, *shape):
        return self.node("Reshape", [x, self.constant(np.array(shape, np.int64))])

    def head_norm(self, x, heads, epsilon):
        weight = self.constant((0.5 + self.rng.random(self.size)).astype(self.dtype))
        rows = self.reshape(x, 0, -1, self.size)
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
        pair = [x, self.node("Sigmoid", [self.feed("gate", 1, self.new, self.heads * self.size)])]
        return self.node("Mul", pair if self.chance(0.5) else pair[::-1])

    def model(self):
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
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        graph = helper.make_graph(self.nodes, "attention", [helper.make_tensor_value_info(n, kind, x.shape) for n, x in self.feeds.items()],
                                  [helper.make_tensor_value_info(n, kind, None) for n in self.outputs], self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)], ir_version=10)


SEEDS = range(40)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("attention")
    for seed in SEEDS:
        layer, folder = Layer(seed), root / str(seed)
        (folder / "in").mkdir(parents=True)
        onnx.save(layer.model(), folder / "model.onnx")
        for name, x in layer.feeds.items():
            np.save(folder / f"in/{name}.npy", x)
    run_all(root, "joined", disabled(""), SEEDS)
    run_all(root, "single", disabled("fusion"), SEEDS)
    return root


@pytest.mark.parametrize("seed", SEEDS)
def test_layer(results, seed):
    layer = Layer(seed)
    model = layer.model()
    oracle.to_float32(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {name: x.astype(np.float32) for name, x in layer.feeds.items()}
    for name, expected in zip(layer.outputs, session.run(layer.outputs, feeds)):
        limit = TOLERANCE[layer.dtype] * max(1.0, np.abs(expected).max())
        for way in ("joined", "single"):
            actual = np.load(results / str(seed) / way / f"{name}.npy")
            np.testing.assert_allclose(actual.astype(np.float32), expected, rtol=0, atol=limit, err_msg=f"{way} {name}")
