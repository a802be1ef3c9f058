#include "lower/op_table.h"

#include "base/error.h"
#include "lower/ops.h"

namespace sluice::lower {

namespace {

using Op = kernels::ElementOp;
using Reduce = kernels::ReduceOp;
constexpr std::string_view kMs = "com.microsoft";

constexpr Types kFloats{DType::kFloat, DType::kFloat16};
constexpr Types kInts{DType::kInt64, DType::kInt32};
constexpr Types kRareInts{DType::kInt16, DType::kInt8, DType::kUint64, DType::kUint32, DType::kUint16};
constexpr Types kBool{DType::kBool};
constexpr Types kNumbers = kFloats | kInts;
constexpr Types kAll = kNumbers | kRareInts | kBool | Types(DType::kUint8);

constexpr OpRow kOps[] = {
    {"", "Abs", unary<Op::kAbs>, kNumbers},
    {"", "Add", binary<Op::kAdd>, kNumbers},
    {"", "And", binary<Op::kAnd>, kBool},
    {"", "ArgMax", lower_arg_max, kNumbers},
    {"", "ArgMin", lower_arg_min, kNumbers},
    {"", "Cast", lower_cast, kAll},
    {"", "Ceil", unary<Op::kCeil>, kFloats},
    {"", "Clip", lower_clip, kNumbers},
    {"", "Concat", lower_concat, kAll},
    {"", "ConstantOfShape", lower_constant_of_shape, kAll, {9}, -1},
    {"", "Cos", unary<Op::kCos>, kFloats},
    {"", "CumSum", lower_cumsum, kNumbers, {11}},
    {"", "Div", binary<Op::kDiv>, kNumbers},
    {"", "Equal", binary<Op::kEqual>, kNumbers | kBool},
    {"", "Erf", unary<Op::kErf>, kFloats, {9}},
    {"", "Exp", unary<Op::kExp>, kFloats},
    {"", "Expand", lower_expand, kAll, {8}},
    {"", "Flatten", lower_alias, kAll},
    {"", "Floor", unary<Op::kFloor>, kFloats},
    {"", "Gather", lower_gather, kAll},
    {"", "GatherElements", lower_gather_elements, kAll, {11}},
    {"", "GatherND", lower_gather_nd, kAll, {11}},
    {"", "Gelu", lower_gelu, kFloats, {20}},
    {"", "Gemm", lower_gemm, kFloats},
    {"", "Greater", binary<Op::kGreater>, kNumbers},
    {"", "GreaterOrEqual", binary<Op::kGreaterOrEqual>, kNumbers, {12}},
    {"", "Identity", lower_alias, kAll},
    {"", "IsNaN", unary<Op::kIsNan>, kFloats, {9}},
    {"", "LayerNormalization", lower_layer_norm, kFloats, {17}},
    {"", "Less", binary<Op::kLess>, kNumbers},
    {"", "LessOrEqual", binary<Op::kLessOrEqual>, kNumbers, {12}},
    {"", "Log", unary<Op::kLog>, kFloats},
    {"", "LogSoftmax", lower_log_softmax, kFloats},
    {"", "MatMul", lower_matmul, kFloats},
    {"", "Max", binary<Op::kMax>, kNumbers},
    {"", "Min", binary<Op::kMin>, kNumbers},
    {"", "Mod", lower_mod, kNumbers, {10}},
    {"", "Mul", binary<Op::kMul>, kNumbers},
    {"", "Neg", unary<Op::kNeg>, kNumbers},
    {"", "Not", unary<Op::kNot>, kBool},
    {"", "Or", binary<Op::kOr>, kBool},
    {"", "Pad", lower_pad, kAll},
    {"", "Pow", binary<Op::kPow>, kNumbers},
    {"", "RMSNormalization", lower_rms_norm, kFloats, {23}},
    {"", "Reciprocal", unary<Op::kReciprocal>, kFloats},
    {"", "ReduceL2", reduce<Reduce::kL2>, kFloats},
    {"", "ReduceMax", reduce<Reduce::kMax>, kNumbers},
    {"", "ReduceMean", reduce<Reduce::kMean>, kNumbers},
    {"", "ReduceMin", reduce<Reduce::kMin>, kNumbers},
    {"", "ReduceProd", reduce<Reduce::kProd>, kNumbers},
    {"", "ReduceSum", reduce<Reduce::kSum>, kNumbers},
    {"", "ReduceSumSquare", reduce<Reduce::kSumSquare>, kNumbers},
    {"", "Relu", unary<Op::kRelu>, kNumbers},
    {"", "Reshape", lower_alias, kAll},
    {"", "RotaryEmbedding", lower_rotary_embedding, kFloats, {23}},
    {"", "Round", unary<Op::kRound>, kFloats, {11}},
    {"", "ScatterElements", lower_scatter_elements, kAll, {11}},
    {"", "ScatterND", lower_scatter_nd, kAll, {11}},
    {"", "Sigmoid", unary<Op::kSigmoid>, kFloats},
    {"", "Sign", unary<Op::kSign>, kNumbers, {9}},
    {"", "SimplifiedLayerNormalization", lower_rms_norm, kFloats, {1}},
    {"", "Sin", unary<Op::kSin>, kFloats},
    {"", "Slice", lower_slice, kAll},
    {"", "Softmax", lower_softmax, kFloats},
    {"", "Softplus", unary<Op::kSoftplus>, kFloats},
    {"", "Split", lower_split, kAll},
    {"", "Sqrt", unary<Op::kSqrt>, kFloats},
    {"", "Squeeze", lower_alias, kAll},
    {"", "Sub", binary<Op::kSub>, kNumbers},
    {"", "Sum", binary<Op::kAdd>, kFloats},
    {"", "Tanh", unary<Op::kTanh>, kFloats},
    {"", "Tile", lower_tile, kAll},
    {"", "TopK", lower_topk, kNumbers | kRareInts},
    {"", "Transpose", lower_transpose, kAll},
    {"", "Trilu", lower_trilu, kAll, {14}},
    {"", "Unsqueeze", lower_alias, kAll},
    {"", "Where", lower_where, kAll, {9}, 1},
    {"", "Xor", binary<Op::kXor>, kBool},
    {kMs, "CausalConvWithState", lower_causal_conv, kFloats, {1, 1}},
    {kMs, "GatherBlockQuantized", lower_gather_block_quantized, kFloats, {1, 1}, 2},
    {kMs, "Gelu", unary<Op::kGelu>, kFloats, {1, 1}},
    {kMs, "GroupQueryAttention", lower_group_query_attention, kFloats, {1, 1}},
    {kMs, "MatMulNBits", lower_matmul_nbits, kFloats, {1, 1}},
    {kMs, "MoE", lower_moe, kFloats, {1, 1}},
    {kMs, "QMoE", lower_qmoe, kFloats, {1, 1}},
    {kMs, "QuickGelu", lower_quick_gelu, kFloats, {1, 1}},
    {kMs, "RotaryEmbedding", lower_rotary_embedding, kFloats, {1, 1}},
    {kMs, "SimplifiedLayerNormalization", lower_rms_norm, kFloats, {1, 1}},
    {kMs, "SkipLayerNormalization", lower_skip_layer_norm, kFloats, {1, 1}},
    {kMs, "SkipSimplifiedLayerNormalization", lower_skip_rms_norm, kFloats, {1, 1}},
};

}  // namespace

std::span<const OpRow> op_table() { return kOps; }

const OpRow* find_op(std::string_view domain, std::string_view op_type) {
  for (const OpRow& row : kOps) {
    if (row.domain == domain && row.op_type == op_type) return &row;
  }
  return nullptr;
}

std::string to_string(Types types) {
  if (types.all()) return "any";
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
