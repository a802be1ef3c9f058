"""ONNX Runtime's CPU provider as the float32 oracle of whole models.

The provider lacks a few things and rounds where the tests want exact numbers, so the graph is rewritten first, without changing what
it means: every float16 becomes float32 (weights keep their values), accuracy_level goes away (it allows int8 activations), 2-bit experts
become 4-bit ones of the same values (the CPU kernel has a 2-bit path with int8 activations), the q/k norm inputs of GroupQueryAttention
become nodes, a windowed cache becomes a full one, and a pruned LM head computes every position again. Environment variables keep 8-bit
QMoE from int8 activations and 4-bit QMoE from quantising its weights again.
"""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"
os.environ["ORT_QMOE_CPU_QNBIT_GEMM"] = "fp32"
os.environ["ORT_USE_MLAS_Q4_GEMM_MOE"] = "0"


def attribute(node, name, default=None):
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def drop_attributes(node, *names):
    kept = [a for a in node.attribute if a.name not in names]
    del node.attribute[:]
    node.attribute.extend(kept)


def widen(tensor):
    """A float16 tensor as float32; other tensors as they are."""
    if tensor.data_type != TensorProto.FLOAT16:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)


def to_float32(model):
    graph = model.graph
    for i, tensor in enumerate(graph.initializer):
        graph.initializer[i].CopyFrom(widen(tensor))
    for value in [*graph.input, *graph.output]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.value_info[:]
    for node in graph.node:
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                a.t.CopyFrom(widen(a.t))
            elif node.op_type == "Cast" and a.name == "to" and a.i == TensorProto.FLOAT16:
                a.i = TensorProto.FLOAT


def norm_of_heads(node, position, weight, heads, graph_initializers):
    """Nodes that normalise each head of a (batch, sequence, heads * size) tensor, as GroupQueryAttention's inputs 14 and 15 do."""
    size = graph_initializers[weight].dims[0]
    base = f"{node.name}/split_norm_{position}"
    for name, shape in ((base + "/heads", [0, -1, heads, size]), (base + "/flat", [0, -1, heads * size])):
        yield numpy_helper.from_array(np.array(shape, np.int64), name)
    yield helper.make_node("Reshape", [node.input[position], base + "/heads"], [base + "/4d"], base + "/to_heads")
    yield helper.make_node(
        "SimplifiedLayerNormalization", [base + "/4d", weight], [base + "/normed"], base + "/norm", axis=-1, stash_type=1,
        epsilon=attribute(node, "qk_norm_epsilon", 1e-6))
    yield helper.make_node("Reshape", [base + "/normed", base + "/flat"], [base + "/3d"], base + "/to_flat")
    node.input[position] = base + "/3d"


def split_norms(model, windowed=False):
    """`windowed`: caches keep their windowed layout."""
    graph = model.graph
    initializers = {t.name: t for t in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type == "GroupQueryAttention":
            if not windowed:
                drop_attributes(node, "sliding_window_cache")
            if len(node.input) > 15 and node.input[14]:
                counts = (attribute(node, "num_heads"), attribute(node, "kv_num_heads"))
                for position in (0, 1):
                    for made in norm_of_heads(node, position, node.input[14 + position], counts[position], initializers):
                        (graph.initializer if isinstance(made, TensorProto) else nodes).append(made)
                del node.input[14:]
            drop_attributes(node, "qk_norm_epsilon")
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def unpack_2bit(array):
    return np.stack([array >> shift & 3 for shift in (0, 2, 4, 6)], -1).reshape(*array.shape[:-1], -1)


def pack_4bit(array):
    padded = np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, array.shape[-1] % 2)])
    return padded[..., ::2] | padded[..., 1::2] << 4


def widen_2bit_experts(model):
    """Block-wise 2-bit QMoE -> 4-bit: values and zero points stay, a zero point that is left out moves from 2 to 8."""
    tensors = {t.name: t for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "QMoE" or attribute(node, "expert_weight_bits", 4) != 2 or attribute(node, "block_size", 0) < 32:
            continue
        inputs = list(node.input) + [""] * 14
        for weights, scales, points in ((2, 3, 11), (5, 6, 12)):
            values = unpack_2bit(numpy_helper.to_array(tensors[inputs[weights]])) + (0 if inputs[points] else 6)
            tensors[inputs[weights]].CopyFrom(numpy_helper.from_array(pack_4bit(values), inputs[weights]))
            if inputs[points]:
                zeros = unpack_2bit(numpy_helper.to_array(tensors[inputs[points]]))[..., : tensors[inputs[scales]].dims[-1]]
                tensors[inputs[points]].CopyFrom(numpy_helper.from_array(pack_4bit(zeros), inputs[points]))
        drop_attributes(node, "expert_weight_bits")
        node.attribute.append(helper.make_attribute("expert_weight_bits", 4))


def unprune(model):
    """Takes away the Gather and Unsqueeze that keep only the last position before the LM head."""
    graph = model.graph
    gather = next((n for n in graph.node if n.name.endswith("/prune/Gather")), None)
    if gather is None:
        return
    unsqueeze = next(n for n in graph.node if gather.output[0] in n.input)
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == unsqueeze.output[0]:
                node.input[i] = gather.input[0]
    graph.node.remove(gather)
    graph.node.remove(unsqueeze)
    for output in graph.output:
        if output.name == "logits":
            output.type.tensor_type.shape.dim[1].dim_param = "sequence_length"


class Oracle:
    def __init__(self, file):
        model = onnx.load(file)
        to_float32(model)
        split_norms(model)
        widen_2bit_experts(model)
        unprune(model)
        for node in model.graph.node:
            drop_attributes(node, "accuracy_level")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        # The exporter leaves the head size symbolic in the cache's shape.
        self.head_size = next((2 * t.dims[1] for t in model.graph.initializer if t.name.endswith("cos_cache")), None)
        self.vocabulary = self.session.get_outputs()[0].shape[-1]

    def empty_state(self, value):
        """An empty key/value cache (length 0), or a zero convolution state."""
        sizes = [1 if d == "batch_size" else d for d in value.shape]
        sizes = [self.head_size if d == "kv_cache_dim" else 0 if isinstance(d, str) else d for d in sizes]
        return np.zeros(sizes, np.float32)

    def logits(self, ids):
        """(tokens, vocabulary) of a whole sequence, from an empty cache."""
        feeds = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64),
                 "position_ids": np.arange(len(ids), dtype=np.int64)[None]}
        for value in self.session.get_inputs():
            if value.name not in feeds:
                feeds[value.name] = self.empty_state(value)
        names = {value.name for value in self.session.get_inputs()}
        return self.session.run(["logits"], {k: v for k, v in feeds.items() if k in names})[0][0]

    def greedy(self, prompt, count):
        """(ids, gaps): each step's most probable token and how far its logit is above the second."""
        ids, gaps = [], []
        for _ in range(count):
            last = self.logits([*prompt, *ids])[-1]
            second, best = np.sort(last)[-2:]
            ids.append(int(last.argmax()))
            gaps.append(float(best - second))
        return ids, gaps


@lru_cache(maxsize=None)
def load(file):
    return Oracle(Path(file))


def prompt_ids(length, vocabulary, seed=7):
    return np.random.default_rng(seed).integers(3, vocabulary, length).tolist()
