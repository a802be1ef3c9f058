"""Runs the exported model on ONNX Runtime's CPU provider.

That provider's GroupQueryAttention has no query and key normalisation: they are split out into nodes
of their own in front of it, in a temporary copy of the graph.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

QUERY_NORM, KEY_NORM, FIRST_OPTIONAL = 14, 15, 9


def split_out_norms(graph: onnx.GraphProto) -> None:
    nodes = []
    for node in graph.node:
        if node.op_type == "GroupQueryAttention":
            attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
            for slot, norm, heads in ((0, QUERY_NORM, "num_heads"), (1, KEY_NORM, "kv_num_heads")):
                added = norm_nodes(
                    graph, node, slot, node.input[norm], attributes[heads], attributes["qk_norm_epsilon"]
                )
                nodes += added
                node.input[slot] = added[-1].output[0]
            del node.input[FIRST_OPTIONAL:]
            kept = [item for item in node.attribute if item.name != "qk_norm_epsilon"]
            del node.attribute[:]
            node.attribute.extend(kept)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def norm_nodes(
    graph: onnx.GraphProto, node: onnx.NodeProto, slot: int, weight: str, heads: int, epsilon: float
) -> list[onnx.NodeProto]:
    name = f"{node.name}/norm{slot}"
    for suffix, shape in (("by_head", [0, 0, heads, -1]), ("flat", [0, 0, -1])):
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name}/{suffix}_shape"))
    return [
        helper.make_node("Reshape", [node.input[slot], f"{name}/by_head_shape"], [f"{name}/by_head"]),
        helper.make_node(
            "SimplifiedLayerNormalization",
            [f"{name}/by_head", weight],
            [f"{name}/normed"],
            axis=-1,
            epsilon=epsilon,
            stash_type=1,
        ),
        helper.make_node("Reshape", [f"{name}/normed", f"{name}/flat_shape"], [f"{name}/flat"]),
    ]


class Oracle:
    def __init__(self, model_folder: Path) -> None:
        model = onnx.load(model_folder / "model.onnx")
        split_out_norms(model.graph)
        head_size = next(len(item.raw_data) // 2 for item in model.graph.initializer if "q_norm" in item.name)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            onnx.save(model, file, save_as_external_data=True, location="model.onnx.data")
            self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        sizes = {"batch_size": 1, "past_sequence_length": 0, "kv_cache_dim": head_size}
        self.empty_past = {
            item.name: np.zeros([sizes.get(size, size) for size in item.shape], np.float16)
            for item in self.session.get_inputs()
            if item.name.startswith("past")
        }

    def logits(self, window: np.ndarray) -> np.ndarray:
        ids = window.astype(np.int64)[None]
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), **self.empty_past}
        return self.session.run(["logits"], feeds)[0][0].astype(np.float32)
