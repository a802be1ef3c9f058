"""What QMoE, MoE, MatMulNBits and GatherBlockQuantized do not run is refused when the model is loaded, naming the node, the rule and the value."""

import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from op_cases import MS
from command import BUILD, disabled

FLOAT, HALF, BYTE, INT8, INT32 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32
UINT4, INT4 = TensorProto.UINT4, TensorProto.INT4

# Inputs as (element type, shape), by index; attributes. All of them are accepted as they stand.
BASES = {
    "QMoE": ({0: (FLOAT, (3, 64)), 1: (FLOAT, (3, 8)), 2: (BYTE, (8, 128, 32)), 3: (FLOAT, (8, 128, 2)), 4: (FLOAT, (8, 128)), 5: (BYTE, (8, 64, 32)),
              6: (FLOAT, (8, 64, 2)), 7: (FLOAT, (8, 64)), 11: (BYTE, (8, 128, 1)), 12: (BYTE, (8, 64, 1))},
             {"k": 2, "activation_type": "swiglu", "swiglu_fusion": 1, "expert_weight_bits": 4, "block_size": 32, "normalize_routing_weights": 1}),
    "MoE": ({0: (FLOAT, (3, 64)), 1: (FLOAT, (3, 8)), 2: (FLOAT, (8, 96, 64)), 3: (FLOAT, (8, 96)), 4: (FLOAT, (8, 64, 96)), 5: (FLOAT, (8, 64)),
             6: (FLOAT, (8, 96, 64)), 7: (FLOAT, (8, 96))}, {"k": 2, "activation_type": "silu"}),
    "MatMulNBits": ({0: (FLOAT, (3, 96)), 1: (BYTE, (5, 3, 16)), 2: (FLOAT, (5, 3)), 3: (BYTE, (5, 2)), 5: (FLOAT, (5,))},
                    {"K": 96, "N": 5, "bits": 4, "block_size": 32}),
    "GatherBlockQuantized": ({0: (BYTE, (9, 48)), 1: (TensorProto.INT64, (4,)), 2: (FLOAT, (9, 3)), 3: (BYTE, (9, 2))},
                             {"bits": 4, "block_size": 32, "gather_axis": 0, "quantize_axis": 1}),
}
ACTIVATIONS = {"QMoE": (0, 1), "MoE": (0, 1), "MatMulNBits": (0,), "GatherBlockQuantized": (1,)}

# (operator, what differs from the base: input index -> (type, shape) or None, or attribute -> value or None; what the message says)
REFUSALS = [
    ("QMoE", {"quant_type": kind}, f'quant_type must be "int", got "{kind}"') for kind in ("fp4", "nvfp4", "fp8", "wfp4afp8", "mxint")
] + [
    ("QMoE", {i: (FLOAT, (8,))}, f"input {i} ({name}) belongs to a floating-point quantization")
    for i, name in ((15, "fc1_global_scale"), (16, "fc2_global_scale"), (17, "fc1_act_scale"), (18, "fc2_act_scale"), (19, "fc1_act_block_scale"),
                    (20, "fc2_act_block_scale"))
] + [
    ("QMoE", {"weights_prepacked": 1}, "weights_prepacked must be -1 or 0, got 1"),
    ("QMoE", {"weights_prepacked": 2}, "weights_prepacked must be -1 or 0, got 2"),
    ("QMoE", {"num_shared_experts": 1}, "num_shared_experts must be 0 to 0, got 1"),
    ("QMoE", {"k": 0}, "k must be 1 to 8, got 0"),
    ("QMoE", {"k": 9}, "k must be 1 to 8, got 9"),
    ("QMoE", {"k": -3}, "k must be 1 to 8, got -3"),
    ("QMoE", {"block_size": 24}, "block_size must be a power of two, 16 or more, got 24"),
    ("QMoE", {"block_size": 8}, "block_size must be a power of two, 16 or more, got 8"),
    ("QMoE", {"block_size": -1}, "block_size must be 0 to 2147483647, got -1"),
    ("QMoE", {"block_size": 128}, "block_size 128 does not divide 64, the depth of fc1_experts_weights"),
    ("QMoE", {"expert_weight_bits": 3}, "expert_weight_bits must be 2, 4 or 8, got 3"),
    ("QMoE", {"expert_weight_bits": 16}, "expert_weight_bits must be 2, 4 or 8, got 16"),
    ("QMoE", {"activation_type": "relu2", "swiglu_fusion": 0, 2: (BYTE, (8, 64, 32)), 3: (FLOAT, (8, 64, 2)), 4: (FLOAT, (8, 64)),
              11: (BYTE, (8, 64, 1))}, 'activation_type "relu2" is not supported'),
    ("QMoE", {"activation_type": "tanh", "swiglu_fusion": 0, 2: (BYTE, (8, 64, 32)), 3: (FLOAT, (8, 64, 2)), 4: (FLOAT, (8, 64)),
              11: (BYTE, (8, 64, 1))}, 'activation_type "tanh" is not supported'),
    ("QMoE", {"activation_type": "silu", 2: (BYTE, (8, 64, 32)), 3: (FLOAT, (8, 64, 2)), 4: (FLOAT, (8, 64)), 11: (BYTE, (8, 64, 1))},
     "swiglu_fusion 1 needs the activation swiglu"),
    ("QMoE", {"swiglu_fusion": 3}, "swiglu_fusion must be 0 to 2, got 3"),
    ("QMoE", {"swiglu_fusion": 0}, "fc1_experts_weights must be (experts, rows, depth*bits/8) = [8, 64, 32], got [8, 128, 32]"),
    ("QMoE", {"swiglu_fusion": 0, 2: (BYTE, (8, 64, 32)), 3: (FLOAT, (8, 64, 2)), 4: (FLOAT, (8, 64)), 11: (BYTE, (8, 64, 1))}, "needs fc3"),
    ("QMoE", {8: (BYTE, (8, 64, 32)), 9: (FLOAT, (8, 64, 2))}, "swiglu_fusion 1 excludes fc3"),
    ("QMoE", {"swiglu_limit": -1.0}, "swiglu_limit must not be negative or NaN, got -1"),
    ("QMoE", {"swiglu_limit": float("nan")}, "swiglu_limit must not be negative or NaN"),
    ("QMoE", {"use_sparse_mixer": 1, "k": 1}, "use_sparse_mixer needs k = 2, got 1"),
    ("QMoE", {"use_sparse_mixer": 1, 14: (FLOAT, (3, 8))}, "use_sparse_mixer excludes router_weights"),
    ("QMoE", {"use_sparse_mixer": 2}, "use_sparse_mixer must be 0 to 1, got 2"),
    ("QMoE", {"normalize_routing_weights": 2}, "normalize_routing_weights must be 0 to 1, got 2"),
    ("QMoE", {0: (FLOAT, (64,))}, "input must be (tokens, hidden) or (batch, sequence, hidden), got [64]"),
    ("QMoE", {0: (INT32, (3, 64))}, "input must be floats, got int32"),
    ("QMoE", {0: (FLOAT, (3, 32))}, "fc1_experts_weights must be (experts, rows, depth*bits/8) = [8, 128, 16], got [8, 128, 32]"),
    ("QMoE", {0: (FLOAT, (3, 63))}, "fc1_experts_weights packs 2 values a byte, but its depth is 63"),
    ("QMoE", {1: (FLOAT, (4, 8))}, "router_probs must be (tokens, experts) = [3, 8], got [4, 8]"),
    ("QMoE", {1: (FLOAT, (3, 1, 8))}, "router_probs must have rank 2"),
    ("QMoE", {1: (INT32, (3, 8))}, "router_probs must be floats, got int32"),
    ("QMoE", {1: (FLOAT, (3, 7))}, "fc1_experts_weights must be (experts, rows, depth*bits/8) = [7, 128, 32], got [8, 128, 32]"),
    ("QMoE", {2: (BYTE, (8, 128, 31))}, "fc1_experts_weights must be (experts, rows, depth*bits/8) = [8, 128, 32], got [8, 128, 31]"),
    ("QMoE", {2: (INT8, (8, 128, 32))}, "fc1_experts_weights must be uint8, got int8"),
    ("QMoE", {3: None}, "fc1_scales is missing"),
    ("QMoE", {3: (FLOAT, (8, 128))}, "fc1_scales must be (experts, rows, depth/block_size) = [8, 128, 2], got [8, 128]"),
    ("QMoE", {3: (BYTE, (8, 128, 2))}, "fc1_scales must be floats, got uint8"),
    ("QMoE", {"block_size": 0}, "fc1_scales must be (experts, rows) = [8, 128], got [8, 128, 2]"),
    ("QMoE", {4: (FLOAT, (8, 127))}, "fc1_experts_bias must be (experts, rows) = [8, 128], got [8, 127]"),
    ("QMoE", {5: None}, "input fc2_experts_weights is missing"),
    ("QMoE", {5: (BYTE, (8, 32, 64))}, "fc2_experts_weights must be (experts, rows, depth*bits/8) = [8, 64, 64], got [8, 32, 64]"),
    ("QMoE", {5: (BYTE, (8, 2048))}, "fc2_experts_weights must have rank 3"),
    ("QMoE", {6: None}, "fc2_scales is missing"),
    ("QMoE", {6: (FLOAT, (8, 64, 1))}, "fc2_scales must be (experts, rows, depth/block_size) = [8, 64, 2], got [8, 64, 1]"),
    ("QMoE", {7: (FLOAT, (64,))}, "fc2_experts_bias must be (experts, rows) = [8, 64], got [64]"),
    ("QMoE", {9: (FLOAT, (8, 64, 2))}, "fc3_experts_weights is missing"),
    ("QMoE", {11: (BYTE, (8, 128, 2))}, "fc1_zero_points must be (experts, rows, blocks*bits/8) = [8, 128, 1], got [8, 128, 2]"),
    ("QMoE", {12: (FLOAT, (8, 64, 1))}, "fc2_zero_points must be uint8, got float"),
    ("QMoE", {14: (FLOAT, (3, 7))}, "router_weights must be (tokens, experts) = [3, 8], got [3, 7]"),
    ("QMoE", {14: (INT32, (3, 8))}, "router_weights must be floats, got int32"),
    ("QMoE", {1: (FLOAT, (3, 1025)), 2: (BYTE, (1025, 128, 32)), 3: (FLOAT, (1025, 128, 2)), 4: None, 5: (BYTE, (1025, 64, 32)),
              6: (FLOAT, (1025, 64, 2)), 7: None, 11: None, 12: None}, "up to 1024 experts are supported, got 1025"),
    ("MoE", {2: (FLOAT, (8, 64, 96)), 3: (FLOAT, (8, 96, 64)), 4: (FLOAT, (8, 96)), 5: (FLOAT, (8, 64)), 6: None, 7: None},
     "an export of MoE's first schema (fc2_experts_weights at index 3)"),
    ("MoE", {2: (FLOAT, (8, 64, 96)), 4: (FLOAT, (8, 96, 64)), 6: None, 7: None},
     "fc1_experts_weights must be (experts, rows, hidden) = [8, 64, 64]"),
    ("MoE", {2: (BYTE, (8, 96, 64))}, "fc1_experts_weights must be floats, got uint8"),
    ("MoE", {4: None}, "input fc2_experts_weights is missing"),
    ("MoE", {4: (FLOAT, (8, 64, 95))}, "fc1_experts_weights must be (experts, rows, hidden) = [8, 95, 64], got [8, 96, 64]"),
    ("MoE", {3: (FLOAT, (8, 95))}, "fc1_experts_bias must be (experts, rows) = [8, 96], got [8, 95]"),
    ("MoE", {5: (FLOAT, (8, 96))}, "fc2_experts_bias must be (experts, hidden) = [8, 64], got [8, 96]"),
    ("MoE", {6: (FLOAT, (8, 64, 96))}, "fc3_experts_weights must be (experts, inner, hidden) = [8, 96, 64], got [8, 64, 96]"),
    ("MoE", {6: None}, "fc3_experts_weights is missing"),
    ("MoE", {7: (FLOAT, (8, 1))}, "fc3_experts_bias must be (experts, inner) = [8, 96], got [8, 1]"),
    ("MoE", {"k": 9}, "k must be 1 to 8, got 9"),
    ("MoE", {"k": 0}, "k must be 1 to 8, got 0"),
    ("MoE", {"activation_type": "swish"}, 'activation_type "swish" is not supported'),
    ("MoE", {"swiglu_fusion": 2}, "swiglu_fusion 2 needs the activation swiglu"),
    ("MoE", {"activation_type": "swiglu", "swiglu_fusion": 1}, "= [8, 192, 64], got [8, 96, 64]"),
    ("MoE", {"num_shared_experts": 2}, "num_shared_experts must be 0 to 0, got 2"),
    ("MoE", {"use_sparse_mixer": 1, "k": 3}, "use_sparse_mixer needs k = 2, got 3"),
    ("MatMulNBits", {"K": None}, "attribute K is missing"),
    ("MatMulNBits", {"N": None}, "attribute N is missing"),
    ("MatMulNBits", {"N": 0}, "N must be 1 to 2147483647, got 0"),
    ("MatMulNBits", {"K": 64}, "the last dimension of A must be K = 64, got [3, 96]"),
    ("MatMulNBits", {"bits": 3}, "bits must be 2, 4 or 8, got 3"),
    ("MatMulNBits", {"block_size": None}, "attribute block_size is missing"),
    ("MatMulNBits", {"block_size": 24}, "block_size must be a power of two, 16 or more, got 24"),
    ("MatMulNBits", {"block_size": 512, 1: (BYTE, (5, 1, 256)), 2: (FLOAT, (5, 1)), 3: (BYTE, (5, 1))},
     "block_size must be 16, 32, 64, 128 or 256, got 512"),
    ("MatMulNBits", {"accuracy_level": 5}, "accuracy_level must be 0 to 4, got 5"),
    ("MatMulNBits", {"weight_prepacked": 1}, "weight_prepacked must be 0, got 1"),
    ("MatMulNBits", {"weight_prepacked": 2}, "weight_prepacked must be 0, got 2"),
    ("MatMulNBits", {4: (INT32, (96,))}, "input g_idx is not supported"),
    ("MatMulNBits", {0: (FLOAT, ())}, "A must not be a scalar"),
    ("MatMulNBits", {0: (INT32, (3, 96))}, "A must be floats, got int32"),
    ("MatMulNBits", {1: (INT8, (5, 3, 16))}, "B must be uint8, got int8"),
    ("MatMulNBits", {1: (BYTE, (5, 2, 16))}, "B must be (N, ceil(K/block_size), block_size*bits/8) = [5, 3, 16], got [5, 2, 16]"),
    ("MatMulNBits", {2: (FLOAT, (14,))}, "scales must be (N, ceil(K/block_size)) = [5, 3], got [14]"),
    ("MatMulNBits", {2: (BYTE, (5, 3))}, "scales must be floats, got uint8"),
    ("MatMulNBits", {3: (BYTE, (5, 3))}, "zero_points must be (N, ceil(blocks*bits/8)) = [5, 2], got [5, 3]"),
    ("MatMulNBits", {3: (FLOAT, (5, 2))}, "zero_points must be (N, blocks) = [5, 3], got [5, 2]"),
    ("MatMulNBits", {3: (INT8, (5, 2))}, "zero_points must be floats, got int8"),
    ("MatMulNBits", {5: (FLOAT, (4,))}, "bias must be (N) = [5], got [4]"),
    ("GatherBlockQuantized", {"bits": 3}, "bits must be 2, 4 or 8, got 3"),
    ("GatherBlockQuantized", {"block_size": 8}, "block_size must be a power of two, 16 or more, got 8"),
    ("GatherBlockQuantized", {"block_size": 48}, "block_size must be a power of two, 16 or more, got 48"),
    ("GatherBlockQuantized", {"block_size": 0}, "block_size must be a power of two, 16 or more, got 0"),
    ("GatherBlockQuantized", {"gather_axis": 1}, "gather_axis must be 0 for uint8 data, got 1"),
    ("GatherBlockQuantized", {"quantize_axis": 0}, "quantize_axis must be the last for uint8 data, got 0"),
    ("GatherBlockQuantized", {"gather_axis": 2}, "axis 2 is out of range for rank 2"),
    ("GatherBlockQuantized", {"quantize_axis": -3}, "axis -3 is out of range for rank 2"),
    ("GatherBlockQuantized", {0: (FLOAT, (9, 48))}, "data must be uint8 or int4 or uint4, got float"),
    ("GatherBlockQuantized", {0: (BYTE, (48,))}, "data must have 2 dimensions or more, got [48]"),
    ("GatherBlockQuantized", {1: (FLOAT, (4,))}, "indices must be int64 or int32, got float"),
    ("GatherBlockQuantized", {2: (FLOAT, (9, 2))}, "scales must be data's shape with blocks for the quantized axis = [9, 3], got [9, 2]"),
    ("GatherBlockQuantized", {2: (BYTE, (9, 3))}, "scales must be floats, got uint8"),
    ("GatherBlockQuantized", {3: (BYTE, (9, 3))}, "zero_points must be scales' shape, packed as data = [9, 2], got [9, 3]"),
    ("GatherBlockQuantized", {3: (UINT4, (9, 3))}, "data and zero_points must have one type, got uint8 and uint4"),
    ("GatherBlockQuantized", {0: (UINT4, (9, 96)), 3: None, "bits": 8}, "bits must be 4 for 4-bit data, got 8"),
    ("GatherBlockQuantized", {0: (INT4, (9, 96)), 3: (INT4, (9, 2))}, "zero_points must be scales' shape, packed as data = [9, 3], got [9, 2]"),
]


def initializer(name, kind, shape):
    if kind in (UINT4, INT4):
        return helper.make_tensor(name, kind, shape, bytes((int(np.prod(shape)) + 1) // 2), raw=True)
    return numpy_helper.from_array(np.zeros(shape, helper.tensor_dtype_to_np_dtype(kind)), name)


def model_of(op, changes):
    inputs, attributes = BASES[op]
    inputs = {**inputs, **{i: v for i, v in changes.items() if isinstance(i, int)}}
    attributes = {**attributes, **{n: v for n, v in changes.items() if isinstance(n, str)}}
    inputs = {i: v for i, v in inputs.items() if v is not None}
    names = [f"in{i}" if i in inputs else "" for i in range(max(inputs) + 1)]
    node = helper.make_node(op, names, ["out"], f"layers.3/{op}", domain=MS, **{n: v for n, v in attributes.items() if v is not None})
    fed = [i for i in inputs if i in ACTIVATIONS[op]]
    graph = helper.make_graph([node], "test", [helper.make_tensor_value_info(f"in{i}", *inputs[i]) for i in fed],
                              [helper.make_tensor_value_info("out", FLOAT, None)],
                              [initializer(f"in{i}", *v) for i, v in inputs.items() if i not in fed])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)], ir_version=10)
    feeds = {f"in{i}": np.zeros(inputs[i][1], helper.tensor_dtype_to_np_dtype(inputs[i][0])) for i in fed}
    return model, feeds


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """What one process says of the bases (first) and of every refusal, in order; "" where a graph ran."""
    root = tmp_path_factory.mktemp("refusals")
    lines, outs = [], []
    for number, (op, changes) in enumerate([(op, {}) for op in BASES] + [(op, changes) for op, changes, _ in REFUSALS]):
        folder = root / str(number)
        (folder / "in").mkdir(parents=True)
        model, feeds = model_of(op, changes)
        onnx.save(model, folder / "model.onnx")
        for name, array in feeds.items():
            np.save(folder / "in" / f"{name}.npy", array)
        outs.append(folder / "out")
        lines.append(f"{folder / 'model.onnx'} {folder / 'in'} {folder / 'out'}\n")
    (root / "list").write_text("".join(lines))
    done = subprocess.run([BUILD / "run_graph", root / "list"], env=disabled(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert all(out.exists() for out in outs), done.stderr
    texts = [(out / "error.txt").read_text() if (out / "error.txt").exists() else "" for out in outs]
    return {op: texts[i] for i, op in enumerate(BASES)}, texts[len(BASES):]


@pytest.mark.parametrize("op", BASES)
def test_base_is_accepted(op, messages):
    assert messages[0][op] == ""


@pytest.mark.parametrize("number", range(len(REFUSALS)), ids=[f"{op}-{said}" for op, _, said in REFUSALS])
def test_refused_by_name(number, messages):
    op, _, said = REFUSALS[number]
    message = messages[1][number]
    assert said in message
    assert f"layers.3/{op}" in message
