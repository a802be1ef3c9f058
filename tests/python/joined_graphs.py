"""Random graphs whose nodes the compiler joins: each runs joined, node by node, and in ONNX Runtime's CPU provider.

A kind of graph derives from JoinedGraph: its constructor draws nodes, feeds and outputs by a seed.
"""

import subprocess

import numpy as np
import onnx
import onnxruntime
import oracle
from command import BUILD, disabled
from onnx import helper, numpy_helper

MS = "com.microsoft"
# Of the largest number of a result. In float16 either way rounds at other places, and layer upon layer adds up.
TOLERANCE = {np.float32: 5e-5, np.float16: 3e-2}
WAYS = {"joined": "", "single": "fusion"}  # and what is disabled for it


class JoinedGraph:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.dtype = self.rng.choice([np.float32, np.float16])
        self.nodes, self.initializers, self.feeds, self.outputs = [], [], {}, []

    def chance(self, p):
        return self.rng.random() < p

    def shuffled(self, *pair):
        return [*pair] if self.chance(0.5) else [*pair][::-1]

    def constant(self, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(self.initializers)}"))
        return self.initializers[-1].name

    def vector(self, size):
        return self.constant((0.5 + self.rng.random(size)).astype(self.dtype))

    def feed(self, name, *shape):
        self.feeds[name] = self.rng.standard_normal(shape).astype(self.dtype)
        return name

    def node(self, op, inputs, count=1, domain="", **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, inputs, names, f"{op}_{len(self.nodes)}", domain=domain, **attributes))
        return names if count > 1 else names[0]

    def model(self):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        inputs = [helper.make_tensor_value_info(name, kind, x.shape) for name, x in self.feeds.items()]
        outputs = [helper.make_tensor_value_info(name, kind, None) for name in self.outputs]
        graph = helper.make_graph(self.nodes, type(self).__name__, inputs, outputs, self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)], ir_version=10)


class Results:
    """Graphs by seed, run in both ways."""

    def __init__(self, root, graphs, disable=""):
        self.root, self.graphs = root, graphs
        for seed, graph in graphs.items():
            (root / str(seed) / "in").mkdir(parents=True)
            onnx.save(graph.model(), root / str(seed) / "model.onnx")
            for name, x in graph.feeds.items():
                np.save(root / str(seed) / f"in/{name}.npy", x)
        for way, left_out in WAYS.items():
            self.run(way, disabled(f"{disable},{left_out}"))

    def run(self, way, env):
        folders = [self.root / str(seed) for seed in self.graphs]
        (self.root / f"{way}.list").write_text("".join(f"{f}/model.onnx {f}/in {f}/{way}\n" for f in folders))
        done = subprocess.run([BUILD / "run_graph", self.root / f"{way}.list"], env=env, capture_output=True, text=True, timeout=3600)
        assert done.returncode == 0, done.stderr

    def check(self, seed):
        """Both ways' outputs of a graph against ONNX Runtime's."""
        graph = self.graphs[seed]
        model = graph.model()
        oracle.to_float32(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        feeds = {name: x.astype(np.float32) for name, x in graph.feeds.items()}
        for name, expected in zip(graph.outputs, session.run(graph.outputs, feeds)):
            limit = TOLERANCE[graph.dtype] * max(1.0, np.abs(expected).max())
            for way in WAYS:
                actual = np.load(self.root / str(seed) / way / f"{name}.npy")
                np.testing.assert_allclose(actual.astype(np.float32), expected, rtol=0, atol=limit, err_msg=f"{way} {name}")
