#include "lower/op_table.h"

#include "lower/ops.h"

namespace sluice::lower {

namespace {

using Op = kernels::ElementOp;
using Reduce = kernels::ReduceOp;
constexpr std::string_view kMs = "com.microsoft";

constexpr OpRow kOps[] = {
    {"", "Abs", unary<Op::kAbs>},
    {"", "Add", binary<Op::kAdd>},
    {"", "And", binary<Op::kAnd>},
    {"", "ArgMax", lower_arg_max},
    {"", "ArgMin", lower_arg_min},
    {"", "Attention", lower_attention},
    {"", "Cast", lower_cast},
    {"", "Ceil", unary<Op::kCeil>},
    {"", "Clip", lower_clip},
    {"", "Concat", lower_concat},
    {"", "ConstantOfShape", lower_constant_of_shape},
    {"", "Conv", lower_conv},
    {"", "Cos", unary<Op::kCos>},
    {"", "CumSum", lower_cumsum},
    {"", "Div", binary<Op::kDiv>},
    {"", "Equal", binary<Op::kEqual>},
    {"", "Erf", unary<Op::kErf>},
    {"", "Exp", unary<Op::kExp>},
    {"", "Expand", lower_expand},
    {"", "Flatten", lower_alias},
    {"", "Floor", unary<Op::kFloor>},
    {"", "Gather", lower_gather},
    {"", "GatherElements", lower_gather_elements},
    {"", "GatherND", lower_gather_nd},
    {"", "Gelu", lower_gelu},
    {"", "Gemm", lower_gemm},
    {"", "Greater", binary<Op::kGreater>},
    {"", "GreaterOrEqual", binary<Op::kGreaterOrEqual>},
    {"", "Identity", lower_alias},
    {"", "IsNaN", unary<Op::kIsNan>},
    {"", "LayerNormalization", lower_layer_norm},
    {"", "Less", binary<Op::kLess>},
    {"", "LessOrEqual", binary<Op::kLessOrEqual>},
    {"", "Log", unary<Op::kLog>},
    {"", "LogSoftmax", lower_log_softmax},
    {"", "MatMul", lower_matmul},
    {"", "Max", binary<Op::kMax>},
    {"", "Min", binary<Op::kMin>},
    {"", "Mod", lower_mod},
    {"", "Mul", binary<Op::kMul>},
    {"", "Neg", unary<Op::kNeg>},
    {"", "Not", unary<Op::kNot>},
    {"", "Or", binary<Op::kOr>},
    {"", "Pad", lower_pad},
    {"", "Pow", binary<Op::kPow>},
    {"", "RMSNormalization", lower_rms_norm},
    {"", "Reciprocal", unary<Op::kReciprocal>},
    {"", "ReduceL2", reduce<Reduce::kL2>},
    {"", "ReduceMax", reduce<Reduce::kMax>},
    {"", "ReduceMean", reduce<Reduce::kMean>},
    {"", "ReduceMin", reduce<Reduce::kMin>},
    {"", "ReduceProd", reduce<Reduce::kProd>},
    {"", "ReduceSum", reduce<Reduce::kSum>},
    {"", "ReduceSumSquare", reduce<Reduce::kSumSquare>},
    {"", "Relu", unary<Op::kRelu>},
    {"", "Reshape", lower_alias},
    {"", "RotaryEmbedding", lower_rotary_embedding},
    {"", "Round", unary<Op::kRound>},
    {"", "ScatterElements", lower_scatter_elements},
    {"", "ScatterND", lower_scatter_nd},
    {"", "Sigmoid", unary<Op::kSigmoid>},
    {"", "Sign", unary<Op::kSign>},
    {"", "SimplifiedLayerNormalization", lower_rms_norm},
    {"", "Sin", unary<Op::kSin>},
    {"", "Slice", lower_slice},
    {"", "Softmax", lower_softmax},
    {"", "Softplus", unary<Op::kSoftplus>},
    {"", "Split", lower_split},
    {"", "Sqrt", unary<Op::kSqrt>},
    {"", "Squeeze", lower_alias},
    {"", "Sub", binary<Op::kSub>},
    {"", "Sum", binary<Op::kAdd>},
    {"", "Tanh", unary<Op::kTanh>},
    {"", "Tile", lower_tile},
    {"", "TopK", lower_topk},
    {"", "Transpose", lower_transpose},
    {"", "Trilu", lower_trilu},
    {"", "Unsqueeze", lower_alias},
    {"", "Where", lower_where},
    {"", "Xor", binary<Op::kXor>},
    {kMs, "CausalConvWithState", lower_causal_conv},
    {kMs, "GatedRMSNorm", lower_gated_rms_norm},
    {kMs, "GatherBlockQuantized", lower_gather_block_quantized},
    {kMs, "Gelu", unary<Op::kGelu>},
    {kMs, "GroupQueryAttention", lower_group_query_attention},
    {kMs, "LinearAttention", lower_linear_attention},
    {kMs, "LinearAttentionGate", lower_linear_gate},
    {kMs, "MatMulNBits", lower_matmul_nbits},
    {kMs, "MoE", lower_moe},
    {kMs, "MultiHeadAttention", lower_multi_head_attention},
    {kMs, "QMoE", lower_qmoe},
    {kMs, "QuickGelu", lower_quick_gelu},
    {kMs, "RotaryEmbedding", lower_rotary_embedding},
    {kMs, "SimplifiedLayerNormalization", lower_rms_norm},
    {kMs, "SkipLayerNormalization", lower_skip_layer_norm},
    {kMs, "SkipSimplifiedLayerNormalization", lower_skip_rms_norm},
};

}  // namespace

std::span<const OpRow> op_table() { return kOps; }

const OpRow* find_op(std::string_view domain, std::string_view op_type) {
  for (const OpRow& row : kOps) {
    if (row.domain == domain && row.op_type == op_type) return &row;
  }
  return nullptr;
}

}  // namespace sluice::lower
