#include "lower/op_table.h"

#include <map>
#include <utility>

#include "base/error.h"
#include "lower/ops.h"

namespace sluice::lower {

namespace {

using Op = kernels::ElementOp;
using Reduce = kernels::ReduceOp;
constexpr std::string_view kMs = "com.microsoft";

constexpr Types kFloats{DType::kFloat, DType::kFloat16};
constexpr Types kFloat{DType::kFloat};
constexpr Types kBool{DType::kBool};
constexpr Types kInts{DType::kInt64, DType::kInt32};
constexpr Types kByte{DType::kUint8};
constexpr Types kSigned = kFloats | kInts | Types(DType::kInt16, DType::kInt8);
// Those whose values an int32 holds.
constexpr Types kSmall = kSigned | Types(DType::kUint16) | kByte;
constexpr Types kUnsigned{DType::kUint32, DType::kUint16, DType::kUint8};
// Those that have all their bits on the GPU.
constexpr Types kInteger32 = kUnsigned | Types(DType::kInt32, DType::kInt16, DType::kInt8);
constexpr Types kInteger = kInteger32 | kInts | Types(DType::kUint64);
constexpr Types kQuantized =
    kByte | Types(DType::kUint16, DType::kInt32, DType::kInt16, DType::kInt8, DType::kInt4, DType::kUint4);
constexpr Types kNumbers = kSmall | Types(DType::kUint64, DType::kUint32);
constexpr Types kAll = kNumbers | kBool;

constexpr OpRow kOps[] = {
    {"", "Abs", whole<unary<Op::kAbs>>, kNumbers},
    {"", "Acos", unary<Op::kAcos>, kFloats},
    {"", "Acosh", unary<Op::kAcosh>, kFloats, {9}},
    {"", "Add", whole<binary<Op::kAdd>>, kNumbers},
    {"", "And", binary<Op::kAnd>, kBool},
    {"", "ArgMax", whole<lower_arg_max>, kSmall},
    {"", "ArgMin", whole<lower_arg_min>, kSmall},
    {"", "Asin", unary<Op::kAsin>, kFloats},
    {"", "Asinh", unary<Op::kAsinh>, kFloats, {9}},
    {"", "Atan", unary<Op::kAtan>, kFloats},
    {"", "Atanh", unary<Op::kAtanh>, kFloats, {9}},
    {"", "Attention", lower_attention, kFloats, {23}},
    {"", "BatchNormalization", lower_batch_norm, kFloats},
    {"", "BitShift", whole<lower_bit_shift>, kUnsigned, {11}},
    {"", "BitwiseAnd", whole<binary<Op::kBitAnd>>, kInteger, {18}},
    {"", "BitwiseNot", whole<unary<Op::kBitNot>>, kInteger32, {18}},
    {"", "BitwiseOr", whole<binary<Op::kBitOr>>, kInteger, {18}},
    {"", "BitwiseXor", whole<binary<Op::kBitXor>>, kInteger, {18}},
    {"", "Cast", whole<lower_cast>, kAll},
    {"", "CastLike", whole<lower_cast>, kAll, {15}},
    {"", "Ceil", unary<Op::kCeil>, kFloats},
    {"", "Celu", lower_celu, kFloat, {12}},
    {"", "Clip", whole<lower_clip>, kNumbers},
    {"", "Concat", whole<lower_concat>, kAll},
    {"", "Constant", lower_known, kAll, {7}, -1},
    {"", "ConstantOfShape", whole<lower_constant_of_shape>, kAll, {9}, -1},
    {"", "Conv", lower_conv, kFloats},
    {"", "Cos", unary<Op::kCos>, kFloats},
    {"", "Cosh", unary<Op::kCosh>, kFloats, {9}},
    {"", "CumSum", lower_cumsum, kFloats | kInts, {11}},
    {"", "DepthToSpace", whole<lower_depth_to_space>, kAll},
    {"", "DequantizeLinear", whole<lower_dequantize_linear>, kQuantized, {10}},
    {"", "Div", whole<binary<Op::kDiv>>, kNumbers},
    {"", "Dropout", lower_dropout, kFloats},
    {"", "DynamicQuantizeLinear", whole<lower_dynamic_quantize_linear>, kFloat, {11}},
    {"", "Elu", lower_elu, kFloats},
    {"", "Equal", whole<binary<Op::kEqual>>, kAll},
    {"", "Erf", unary<Op::kErf>, kFloats, {9}},
    {"", "Exp", unary<Op::kExp>, kFloats},
    {"", "Expand", whole<lower_expand>, kAll, {8}},
    {"", "EyeLike", whole<lower_eye_like>, kAll, {9}, -1},
    {"", "Flatten", lower_alias, kAll},
    {"", "Floor", unary<Op::kFloor>, kFloats},
    {"", "Gather", lower_gather, kAll},
    {"", "GatherElements", whole<lower_gather_elements>, kAll, {11}},
    {"", "GatherND", whole<lower_gather_nd>, kAll, {11}},
    {"", "Gelu", lower_gelu, kFloats, {20}},
    {"", "Gemm", lower_gemm, kFloats},
    {"", "GlobalAveragePool", lower_global_average_pool, kFloats},
    {"", "GlobalMaxPool", lower_global_max_pool, kFloats},
    {"", "Greater", whole<binary<Op::kGreater>>, kNumbers},
    {"", "GreaterOrEqual", whole<binary<Op::kGreaterOrEqual>>, kNumbers, {12}},
    {"", "GroupNormalization", lower_group_norm, kFloats, {18}},
    {"", "HardSigmoid", lower_hard_sigmoid, kFloats},
    {"", "HardSwish", lower_hard_swish, kFloats, {14}},
    {"", "Hardmax", lower_hardmax, kFloats},
    {"", "Identity", lower_alias, kAll},
    {"", "InstanceNormalization", lower_instance_norm, kFloats},
    {"", "IsInf", lower_is_inf, kFloats, {10}},
    {"", "IsNaN", unary<Op::kIsNan>, kFloats, {9}},
    {"", "LayerNormalization", lower_layer_norm, kFloats, {17}},
    {"", "LeakyRelu", lower_leaky_relu, kFloats},
    {"", "Less", whole<binary<Op::kLess>>, kNumbers},
    {"", "LessOrEqual", whole<binary<Op::kLessOrEqual>>, kNumbers, {12}},
    {"", "Log", unary<Op::kLog>, kFloats},
    {"", "LogSoftmax", lower_log_softmax, kFloats},
    {"", "LpNormalization", lower_lp_norm, kFloats},
    {"", "MatMul", lower_matmul, kFloats},
    {"", "MatMulInteger", lower_matmul_integer, kByte | Types(DType::kInt8), {10}},
    {"", "Max", whole<binary<Op::kMax>>, kNumbers},
    {"", "Mean", lower_mean, kFloats},
    {"", "MeanVarianceNormalization", lower_mean_variance_norm, kFloats, {9}},
    {"", "Min", whole<binary<Op::kMin>>, kNumbers},
    {"", "Mish", lower_mish, kFloats, {18}},
    {"", "Mod", whole<lower_mod>, kNumbers, {10}},
    {"", "Mul", whole<binary<Op::kMul>>, kNumbers},
    {"", "Neg", unary<Op::kNeg>, kSigned},
    {"", "Not", unary<Op::kNot>, kBool},
    {"", "OneHot", whole<lower_one_hot>, kAll, {9}, -1},
    {"", "Or", binary<Op::kOr>, kBool},
    {"", "PRelu", lower_prelu, kFloats},
    {"", "Pad", whole<lower_pad>, kAll},
    {"", "Pow", lower_pow, kFloats | kInts},
    {"", "QuantizeLinear", whole<lower_quantize_linear>, kFloats, {10}},
    {"", "RMSNormalization", lower_rms_norm, kFloats, {23}},
    {"", "Range", lower_range, kFloat | kInts | Types(DType::kInt16), {11}},
    {"", "Reciprocal", unary<Op::kReciprocal>, kFloats},
    {"", "ReduceL1", lower_reduce_l1, kFloats | kInts},
    {"", "ReduceL2", reduce<Reduce::kL2>, kFloats},
    {"", "ReduceLogSum", lower_reduce_log_sum, kFloats},
    {"", "ReduceLogSumExp", lower_reduce_log_sum_exp, kFloats},
    {"", "ReduceMax", whole<reduce<Reduce::kMax>>, kFloats | kInts | Types(DType::kInt8) | kByte},
    {"", "ReduceMean", reduce<Reduce::kMean>, kFloats | kInts},
    {"", "ReduceMin", whole<reduce<Reduce::kMin>>, kFloats | kInts | Types(DType::kInt8) | kByte},
    {"", "ReduceProd", reduce<Reduce::kProd>, kFloats | kInts},
    {"", "ReduceSum", reduce<Reduce::kSum>, kFloats | kInts},
    {"", "ReduceSumSquare", reduce<Reduce::kSumSquare>, kFloats | kInts},
    {"", "Relu", unary<Op::kRelu>, kSigned},
    {"", "Reshape", lower_alias, kAll},
    {"", "RotaryEmbedding", lower_rotary_embedding, kFloats, {23}},
    {"", "Round", unary<Op::kRound>, kFloats, {11}},
    {"", "ScatterElements", whole<lower_scatter_elements>, kAll, {11}},
    {"", "ScatterND", whole<lower_scatter_nd>, kAll, {11}},
    {"", "Selu", lower_selu, kFloats},
    {"", "Shape", lower_known, kAll, {7}, -1},
    {"", "Shrink", lower_shrink, kFloats, {9}},
    {"", "Sigmoid", unary<Op::kSigmoid>, kFloats},
    {"", "Sign", whole<unary<Op::kSign>>, kNumbers, {9}},
    {"", "SimplifiedLayerNormalization", lower_rms_norm, kFloats, {1}},
    {"", "Sin", unary<Op::kSin>, kFloats},
    {"", "Sinh", unary<Op::kSinh>, kFloats, {9}},
    {"", "Size", lower_known, kAll, {7}, -1},
    {"", "Slice", whole<lower_slice>, kAll},
    {"", "Softmax", lower_softmax, kFloats},
    {"", "Softplus", unary<Op::kSoftplus>, kFloats},
    {"", "Softsign", lower_softsign, kFloats},
    {"", "SpaceToDepth", whole<lower_space_to_depth>, kAll},
    {"", "Split", whole<lower_split>, kAll},
    {"", "Sqrt", unary<Op::kSqrt>, kFloats},
    {"", "Squeeze", lower_alias, kAll},
    {"", "Sub", whole<binary<Op::kSub>>, kNumbers},
    {"", "Sum", lower_sum, kFloats},
    {"", "Swish", lower_swish, kFloats, {24}},
    {"", "Tan", unary<Op::kTan>, kFloats},
    {"", "Tanh", unary<Op::kTanh>, kFloats},
    {"", "ThresholdedRelu", lower_thresholded_relu, kFloats, {10}},
    {"", "Tile", whole<lower_tile>, kAll},
    {"", "TopK", lower_topk, kNumbers, {1}},
    {"", "Transpose", whole<lower_transpose>, kAll},
    {"", "Trilu", whole<lower_trilu>, kAll, {14}},
    {"", "Unsqueeze", lower_alias, kAll},
    {"", "Where", whole<lower_where>, kAll, {9}, 1},
    {"", "Xor", binary<Op::kXor>, kBool},
    {kMs, "BiasGelu", biased<Op::kGelu>, kFloats, {1, 1}},
    {kMs, "CausalConvWithState", lower_causal_conv, kFloats, {1, 1}},
    {kMs, "DequantizeLinear", whole<lower_dequantize_linear>, kQuantized, {1, 1}},
    {kMs, "FastGelu", biased<Op::kGeluTanh>, kFloats, {1, 1}},
    {kMs, "GatedRMSNorm", lower_gated_rms_norm, kFloats, {1, 1}},
    {kMs, "GatherBlockQuantized", lower_gather_block_quantized, kFloats, {1, 1}, 2},
    {kMs, "Gelu", unary<Op::kGelu>, kFloats, {1, 1}},
    {kMs, "GroupQueryAttention", lower_group_query_attention, kFloats, {1, 1}},
    {kMs, "LinearAttention", lower_linear_attention, kFloats, {1, 1}},
    {kMs, "LinearAttentionGate", lower_linear_gate, kFloats, {1, 1}},
    {kMs, "MatMulNBits", lower_matmul_nbits, kFloats, {1, 1}},
    {kMs, "MoE", lower_moe, kFloats, {1, 1}},
    {kMs, "MultiHeadAttention", lower_multi_head_attention, kFloats, {1, 1}},
    {kMs, "QMoE", lower_qmoe, kFloats, {1, 1}},
    {kMs, "QuantizeLinear", whole<lower_quantize_linear>, kFloats, {1, 1}},
    {kMs, "QuickGelu", lower_quick_gelu, kFloats, {1, 1}},
    {kMs, "RotaryEmbedding", lower_rotary_embedding, kFloats, {1, 1}},
    {kMs, "SimplifiedLayerNormalization", lower_rms_norm, kFloats, {1, 1}},
    {kMs, "SkipLayerNormalization", lower_skip_layer_norm, kFloats, {1, 1}},
    {kMs, "SkipSimplifiedLayerNormalization", lower_skip_rms_norm, kFloats, {1, 1}},
};

// What the passes in graph/passes/ make of them.
constexpr OpRow kJoined[] = {
    {"sluice", "GroupQueryAttention", lower_group_query_attention, kFloats, {1, 1}},
    {"sluice", "JoinedMatMulNBits", lower_joined_matmul_nbits, kFloats, {1, 1}},
    {"sluice", "MatMul", lower_matmul, kFloats},
    {"sluice", "MatMulNBits", lower_matmul_nbits, kFloats, {1, 1}},
    {"sluice", "QMoE", lower_qmoe, kFloats, {1, 1}},
    {"sluice", "SkipSimplifiedLayerNormalization", lower_skip_rms_norm, kFloats, {1, 1}},
};

struct IdleAttribute {
  std::string_view op_type, name;
};

// Attributes that change nothing in the forms of the operators that are taken.
constexpr IdleAttribute kIdle[] = {
    {"Cast", "saturate"},                  // of casts to float8
    {"CastLike", "saturate"},              //
    {"Dropout", "ratio"},                  // of training
    {"Dropout", "seed"},                   //
    {"LayerNormalization", "stash_type"},  // norms are computed in float32
    {"QMoE", "accuracy_level"},            // a minimum, which float32 products meet
    {"QuantizeLinear", "saturate"},        // of float8 results
    {"ReduceL1", "noop_with_empty_axes"},  // inference asks where there are no axes
    {"ReduceL2", "noop_with_empty_axes"},  //
    {"ReduceLogSum", "noop_with_empty_axes"},
    {"ReduceLogSumExp", "noop_with_empty_axes"},
    {"ReduceMax", "noop_with_empty_axes"},
    {"ReduceMean", "noop_with_empty_axes"},
    {"ReduceMin", "noop_with_empty_axes"},
    {"ReduceProd", "noop_with_empty_axes"},
    {"ReduceSum", "noop_with_empty_axes"},
    {"ReduceSumSquare", "noop_with_empty_axes"},
};

bool is_idle(std::string_view op_type, std::string_view attribute) {
  for (const IdleAttribute& idle : kIdle) {
    if (idle.op_type == op_type && idle.name == attribute) return true;
  }
  return false;
}

}  // namespace

void refuse_unread_attributes(const graph::Node& node) {
  for (const std::string& attribute : node.unread_attributes()) {
    if (!is_idle(node.op_type, attribute)) fail("lower", "attribute {} is not supported", attribute);
  }
}

std::span<const OpRow> op_table() { return kOps; }

const OpRow* find_op(std::string_view domain, std::string_view op_type) {
  static const auto kRows = [] {
    std::map<std::pair<std::string_view, std::string_view>, const OpRow*> rows;
    for (const std::span<const OpRow> some : {std::span<const OpRow>(kOps), std::span<const OpRow>(kJoined)}) {
      for (const OpRow& row : some) rows.emplace(std::pair(row.op_type, row.domain), &row);
    }
    return rows;
  }();
  const auto found = kRows.find({op_type, domain});
  return found != kRows.end() ? found->second : nullptr;
}

std::string to_string(Types types) {
  std::string text;
  for (uint32_t i = 0; i <= static_cast<uint32_t>(DType::kString); ++i) {
    const auto type = static_cast<DType>(i);
    if (types.contains(type)) text += fmt::format("{}{}", text.empty() ? "" : ", ", name(type));
  }
  return text;
}

void check_row(const OpRow& row, const graph::Node& node, const graph::Graph& graph) {
  const auto [first, last] = row.opsets;
  if (node.opset < first || node.opset > last)
    fail("lower", "opset {} is not supported, only {} to {}", node.opset, first, last);
  const bool is_input = row.operand >= 0;
  const graph::ValueId id = is_input ? node.input(static_cast<size_t>(row.operand)) : node.output(0);
  if (id == graph::kNoValue) return;
  const graph::Value& value = graph.values[id];
  if (!value.dtype || row.types.contains(*value.dtype)) return;
  fail("lower", "element type {} of {} (\"{}\") is not supported, only {}", name(*value.dtype),
       is_input ? fmt::format("input {}", row.operand) : "output 0", value.name, to_string(row.types));
}

}  // namespace sluice::lower
