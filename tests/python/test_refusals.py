"""What is not supported is refused by name: single-operator graphs that must fail, and what the message must say beside the node."""

import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from op_cases import MS, case
from op_cases_more import at_opset
from command import BUILD

F = np.zeros((2, 3), np.float32)
ROW = np.zeros(3, np.float32)
INTS = np.zeros((2, 3), np.int32)
LONGS = np.zeros((2, 3), np.int64)
BYTES = np.zeros((2, 3), np.uint8)
BOOLS = np.zeros((2, 3), np.bool_)
CUBE = np.zeros((2, 4, 6), np.float32)
IMAGE = np.zeros((1, 6, 4, 4), np.float32)
ONE = np.array([1])
SCALAR = np.float32(1)

FLOAT_UNARY = ("Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Exp Floor HardSigmoid HardSwish LeakyRelu Log Mish Reciprocal Round Selu "
               "Shrink Sigmoid Sin Sinh Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Erf Softmax LogSoftmax Hardmax LpNormalization IsNaN IsInf").split()
BINARY = "Add Sub Mul Div Pow Mod Max Min Sum Mean Equal Less LessOrEqual Greater GreaterOrEqual PRelu".split()
REDUCTIONS = "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare".split()


def quantised(x, scale, zero=None, **attributes):
    return case("", "DequantizeLinear", [x, scale, zero], constants=(1, 2), **attributes)


def families():
    for op in FLOAT_UNARY:
        yield f"{op}-of-int32", case("", op, [INTS]), "int32"
    large = np.zeros(2000, np.float64)
    for op in ("Exp", "Relu", "Neg", "ReduceSum"):
        yield f"{op}-of-double", case("", op, [large], constants=(0,)), "double"
    for op in BINARY:
        other = np.zeros((2, 4), np.float32)
        yield f"{op}-shapes", case("", op, [F, other], fmod=1) if op == "Mod" else case("", op, [F, other]), "broadcast"
        if op != "Pow":
            yield f"{op}-types", case("", op, [F, LONGS]), "one type"
        yield f"{op}-of-bool", case("", op, [BOOLS, BOOLS]) if op != "Equal" else case("", op, [F]), "bool" if op != "Equal" else "input 1 is missing"
    for op in ("And", "Or", "Xor"):
        yield f"{op}-of-float", case("", op, [F, F]), "must be bool"
        yield f"{op}-shapes", case("", op, [BOOLS, np.zeros((2, 4), np.bool_)]), "broadcast"
    for op in REDUCTIONS:
        yield f"{op}-axis", case("", op, [F, np.array([2])], constants=(1,)), "axis 2 is out of range for rank 2"
        yield f"{op}-of-bool", case("", op, [BOOLS]), "bool"
        yield f"{op}-unknown-axes", case("", op, [F, np.zeros(99, np.int64)]), "must be known"
    for op in ("ArgMax", "ArgMin", "Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "LayerNormalization", "Concat", "Gather", "Split"):
        inputs = [F, LONGS] if op == "Gather" else [F, ROW] if op == "LayerNormalization" else [F, F] if op == "Concat" else [F]
        yield f"{op}-axis", case("", op, inputs, axis=-3), "axis -3 is out of range for rank 2"
    for op, old in (("Gelu", 19), ("Mish", 17), ("Swish", 23), ("HardSwish", 13), ("Trilu", 13), ("BitwiseNot", 17), ("Erf", 8), ("Round", 10), ("IsNaN", 8)):
        x = INTS if op == "BitwiseNot" else F
        yield f"{op}-opset", at_opset(case("", op, [x]), old), f"opset {old} is not supported, only {old + 1} to 28"
    yield "opset-new", at_opset(case("", "Add", [F, F]), 29), "opset must be 7 to 28, got 29"
    for op in ("NonZero", "Unique"):
        yield op, case("", op, [F]), "depends on the data"
    yield "Compress", case("", "Compress", [F, np.zeros(2, np.bool_)]), "depends on the data"
    for op in ("Einsum", "StringNormalizer", "Det"):
        yield f"{op}-unknown", case("", op, [F]), "not supported"


def singles():
    yield "Not-of-float", case("", "Not", [F]), "must be bool"
    yield "Cast-target", case("", "Cast", [F], to=TensorProto.DOUBLE), "double"
    yield "Cast-bfloat16", case("", "Cast", [F], to=TensorProto.BFLOAT16), "bfloat16"
    yield "Cast-string", case("", "Cast", [F], to=TensorProto.STRING), "cannot cast to type 8"
    yield "Cast-lost", case("", "Cast", [np.zeros(3, np.uint32)], to=TensorProto.INT64), "32 bits"
    yield "Pow-float-exponent", case("", "Pow", [INTS, F]), "whole constant"
    yield "Pow-half-exponent", case("", "Pow", [INTS, np.float32(0.5)], constants=(1,)), "whole constant"
    yield "Clip-limits", case("", "Clip", [F, ROW]), "limits must be scalars"
    yield "Where-condition", case("", "Where", [F, F, F]), "must be bool"
    yield "Where-types", case("", "Where", [BOOLS, F, LONGS]), "one type"
    yield "BitShift-direction", case("", "BitShift", [BYTES, BYTES], direction="UP"), "LEFT or RIGHT"
    yield "BitShift-signed", case("", "BitShift", [INTS, INTS], direction="LEFT"), "int32"
    yield "BitShift-uint64", case("", "BitShift", [np.zeros(3, np.uint64)] * 2, direction="LEFT"), "uint64"
    yield "BitwiseNot-uint64", case("", "BitwiseNot", [np.zeros(3, np.uint64)]), "uint64"
    yield "BitwiseAnd-float", case("", "BitwiseAnd", [F, F]), "must be integers"
    yield "Reshape-size", case("", "Reshape", [F, np.array([4, 2])], constants=(1,)), "cannot reshape [2, 3] to [4, 2]"
    yield "Reshape-unknown", case("", "Reshape", [F, np.zeros(99, np.int64)]), "must be known"
    yield "Squeeze-axis", case("", "Squeeze", [F, ONE], constants=(1,)), "is not 1"
    yield "Unsqueeze-twice", case("", "Unsqueeze", [F, np.array([0, 0])], constants=(1,)), "given twice"
    yield "Transpose-perm", case("", "Transpose", [F], perm=[0, 0]), "twice"
    yield "Concat-shapes", case("", "Concat", [F, np.zeros((2, 4), np.float32)], axis=0), "cannot join"
    yield "Split-sizes", case("", "Split", [F, np.array([1, 1])], 2, constants=(1,), axis=1), "the sizes add up to 2"
    yield "Slice-step", case("", "Slice", [F, ONE, ONE, ONE, np.array([0])], constants=(1, 2, 3, 4)), "must not be 0"
    yield "Expand-shape", case("", "Expand", [F, np.array([2, 4])], constants=(1,)), "cannot expand"
    yield "Tile-repeats", case("", "Tile", [F, ONE], constants=(1,)), "1 repeats are given"
    yield "Pad-mode", case("", "Pad", [F, np.zeros(4, np.int64)], constants=(1,), mode="reflect"), 'mode "reflect"'
    yield "Pad-count", case("", "Pad", [F, np.zeros(3, np.int64)], constants=(1,)), "3 pads"
    yield "Trilu-rank", case("", "Trilu", [ROW]), "must be matrices"
    yield "Gather-indices", case("", "Gather", [F, ROW]), "indices must be int64 or int32"
    yield "GatherElements-rank", case("", "GatherElements", [F, np.zeros(3, np.int64)]), "must have rank 2"
    yield "GatherND-depth", case("", "GatherND", [F, np.zeros((2, 3), np.int64)]), "last dimension of indices must be 1 to 2"
    yield "ScatterElements-reduction", case("", "ScatterElements", [F, LONGS, F], reduction="mean"), 'reduction "mean"'
    yield "ScatterElements-updates", case("", "ScatterElements", [F, LONGS, np.zeros((2, 2), np.float32)]), "updates must be [2, 3]"
    yield "ScatterND-updates", case("", "ScatterND", [F, np.zeros((1, 1), np.int64), F]), "updates must be [1, 3]"
    four = np.zeros((2, 2, 2, 2), np.float32)
    yield "ScatterND-tuple", case("", "ScatterND", [four, np.zeros((1, 4), np.int64), ROW[:1]], reduction="add"), "1 to 3 numbers, got 4"
    yield "CumSum-axis", case("", "CumSum", [F, np.array(2)], constants=(1,)), "axis 2 is out of range"
    yield "OneHot-values", case("", "OneHot", [LONGS, np.array(3), ROW], constants=(1,)), "values must be [2]"
    yield "OneHot-depth", case("", "OneHot", [LONGS, np.array(0), ROW[:2]], constants=(1,)), "depth must be"
    yield "EyeLike-rank", case("", "EyeLike", [ROW]), "must have rank 2"
    yield "Range-unknown", case("", "Range", [SCALAR] * 3), "length is not known"
    yield "DepthToSpace-blocks", case("", "DepthToSpace", [IMAGE], blocksize=2), "does not split into blocks of 2"
    yield "DepthToSpace-mode", case("", "DepthToSpace", [IMAGE], blocksize=1, mode="X"), "DCR or CRD"
    yield "SpaceToDepth-blocks", case("", "SpaceToDepth", [IMAGE], blocksize=3), "does not split into blocks of 3"
    yield "GlobalAveragePool-rank", case("", "GlobalAveragePool", [F]), "rank 3 or more"
    yield "MatMul-shapes", case("", "MatMul", [F, F]), "cannot multiply"
    yield "MatMul-int32", case("", "MatMul", [INTS, INTS.T]), "int32"
    yield "Gemm-rank", case("", "Gemm", [CUBE, F]), "A must have rank 2"
    yield "Gemm-bias", case("", "Gemm", [F, F.T, np.zeros(5, np.float32)]), "does not broadcast"
    yield "Conv-kernel-shape", case("", "Conv", [CUBE, np.zeros((4, 1, 3), np.float32)], group=4, kernel_shape=[2]), "kernel_shape must be W's"
    yield "Conv-kernel", case("", "Conv", [CUBE, np.zeros((4, 1, 9), np.float32)], group=4), "larger than the padded input"
    yield "LayerNormalization-scale", case("", "LayerNormalization", [F, np.zeros(2, np.float32)]), "scale must be [3]"
    yield "BatchNormalization-training", case("", "BatchNormalization", [F, ROW, ROW, ROW, ROW], training_mode=1), "training_mode must be 0"
    yield "BatchNormalization-scale", case("", "BatchNormalization", [CUBE, ROW, ROW, ROW, ROW]), "scale must be [4]"
    yield "InstanceNormalization-missing", case("", "InstanceNormalization", [CUBE, np.zeros(4, np.float32)]), "input 2 is missing"
    yield "GroupNormalization-groups", case("", "GroupNormalization", [IMAGE, ROW, ROW], num_groups=4), "do not make 4 groups"
    yield "LpNormalization-p", case("", "LpNormalization", [F], p=3), "p must be 1 to 2, got 3"
    yield "MeanVarianceNormalization-axes", case("", "MeanVarianceNormalization", [F]), "axis 2 is out of range"
    yield "Skip-mean", case("", "SkipSimplifiedLayerNormalization", [CUBE, CUBE, np.zeros(6, np.float32)], ["out0", "out1"], domain=MS), "output 1 (mean)"
    yield "BiasGelu-bias", case("", "BiasGelu", [F, np.zeros(2, np.float32)], domain=MS), "bias must be [3]"
    yield "Dropout-training", case("", "Dropout", [F, SCALAR, np.array(True)], constants=(1, 2)), "training_mode must be false"
    yield "Dequantize-float", quantised(F, SCALAR), "x must be int32 or an integer"
    yield "Dequantize-scale", quantised(BYTES, np.ones(2, np.float32), axis=1), "scale must be [3]"
    yield "Dequantize-zero", quantised(BYTES, SCALAR, np.int8(0)), "one type"
    yield "Dequantize-zero-shape", quantised(BYTES, SCALAR, np.zeros(3, np.uint8)), "zero point must be []"
    yield "Dequantize-axis", quantised(BYTES, ROW, axis=2), "axis 2 is out of range"
    yield "Dequantize-block", quantised(BYTES, np.ones((2, 2), np.float32), axis=1, block_size=2), "no multiple of the block size 2"
    yield "Quantize-int4", case("", "QuantizeLinear", [F, SCALAR], constants=(1,), output_dtype=TensorProto.INT4), "int4"
    yield "Quantize-target", case("", "QuantizeLinear", [F, SCALAR], constants=(1,), output_dtype=TensorProto.FLOAT16), "4, 8 or 16 bits"
    yield "Dynamic-half", case("", "DynamicQuantizeLinear", [F.astype(np.float16)]), "x must be float"
    yield "MatMulInteger-types", case("", "MatMulInteger", [INTS, INTS.T]), "must be int8 or uint8"
    yield "MatMulInteger-zero", case("", "MatMulInteger", [BYTES, BYTES.T, np.zeros(5, np.uint8)]), "zero point of A must be [2]"


CASES = {name: (model, text) for make in (families, singles) for name, model, text in make()}


@pytest.fixture(scope="module")
def errors(request, tmp_path_factory):
    """{case: what run_graph says}, all chosen cases in one process."""
    root = tmp_path_factory.mktemp("refusals")
    chosen = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]
    lines = []
    for number, name in enumerate(chosen):
        one, folder = CASES[name][0], root / str(number)
        (folder / "in").mkdir(parents=True)
        onnx.save(one.model, folder / "model.onnx")
        for feed, array in one.feeds.items():
            np.save(folder / "in" / f"{feed}.npy", array)
        lines.append(f"{folder / 'model.onnx'} {folder / 'in'} {folder / 'out'}\n")
    (root / "list").write_text("".join(lines))
    done = subprocess.run([BUILD / "run_graph", root / "list"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 1, f"run_graph: exit {done.returncode} {done.stderr}"
    files = {name: root / str(number) / "out/error.txt" for number, name in enumerate(chosen)}
    return {name: file.read_text() if file.exists() else "" for name, file in files.items()}


@pytest.mark.parametrize("name", CASES)
def test_refusal(name, errors):
    one, text = CASES[name]
    message = errors[name]
    assert message, "it was not refused"
    assert one.model.graph.node[0].name in message, message
    assert text in message, message
