// What docs/operators.md says about single operators beyond the columns of the table: variants, and what is refused.
#pragma once

#include <string_view>

namespace sluice::tests {

struct OperatorNote {
  std::string_view op_type;  // of every domain
  std::string_view text;
};

inline constexpr std::string_view kKnownShape = "the shape must be known when the graph is compiled";
inline constexpr std::string_view kKnownAxes = "axes must be known when the graph is compiled";
inline constexpr std::string_view kFolded = "only where its result is known when the graph is compiled";

inline constexpr OperatorNote kNotes[] = {
    {"Attention", "softmax_precision float or float16; scale must be positive"},
    {"BatchNormalization", "inference only"},
    {"BitShift", "shifts of the type's width or more give 0"},
    {"Cast",
     "element types are those of both sides; floats are cut off, narrow integers wrap; int64 from uint32, and "
     "unsigned 64-bit from signed types are refused"},
    {"CastLike", "as Cast"},
    {"CausalConvWithState", "activation none, silu or swish; one spatial dimension, no state_window"},
    {"Clip", "limits of one element"},
    {"Concat", "empty inputs are allowed"},
    {"Constant", kFolded},
    {"ConstantOfShape", "element types are those of the output; the shape must be known when the graph is compiled"},
    {"Conv", "1 or 2 spatial axes"},
    {"CumSum", "the axis must be constant"},
    {"DequantizeLinear", "one scale, one an index along the axis, or one a block; 4-bit tensors must be constants"},
    {"Div", "of integers: by 0 gives the dividend"},
    {"Dropout", "inference only"},
    {"DynamicQuantizeLinear", "any rank"},
    {"Expand", kKnownShape},
    {"EyeLike", "element types are those of the output"},
    {"GatherBlockQuantized", "gather_axis 0, the last axis quantized; element types are those of the scales"},
    {"GroupNormalization", "scale and bias of the groups before opset 21, of the channels from then on"},
    {"GroupQueryAttention", "no quantized cache; no output_qk with a windowed cache"},
    {"Hardmax", "before opset 13 over the input flattened at axis, as then defined"},
    {"IsInf", "detect_negative, detect_positive"},
    {"LinearAttention", "update_rule linear, gated, delta or gated_delta; no state_window"},
    {"LayerNormalization", "with mean and inverse deviation"},
    {"MatMulInteger", "batches of either side repeat as a whole or not at all"},
    {"MatMulNBits", "no g_idx, no prepacked weights"},
    {"MoE", "normalize_routing_weights 0 takes the softmax over all experts, QMoE over the chosen"},
    {"MultiHeadAttention", "no past_sequence_length, no cache_indirection"},
    {"OneHot", "element types are those of the values; depth must be constant"},
    {"Pad", "mode constant; pads must be constant"},
    {"Pow", "the exponent may have another type; of an integer base it must be an integer, or a whole constant"},
    {"QMoE", "quant_type int, 2, 4 or 8 bits; no prepacked weights"},
    {"QuantizeLinear", "to int8, uint8, int16 or uint16"},
    {"Range", "its length must be known when the graph is compiled"},
    {"ReduceL1", kKnownAxes},
    {"ReduceL2", kKnownAxes},
    {"ReduceLogSum", kKnownAxes},
    {"ReduceLogSumExp", kKnownAxes},
    {"ReduceMax", kKnownAxes},
    {"ReduceMean", kKnownAxes},
    {"ReduceMin", kKnownAxes},
    {"ReduceProd", kKnownAxes},
    {"ReduceSum", kKnownAxes},
    {"ReduceSumSquare", kKnownAxes},
    {"Reshape", kKnownShape},
    {"SkipSimplifiedLayerNormalization", "output 1 (mean) is refused"},
    {"ScatterElements", "reduction none, add, mul, min or max; a reduction of float, float16, int64, int32 or uint8"},
    {"ScatterND", "as ScatterElements; with a reduction, indices of 1 to 3 numbers"},
    {"RotaryEmbedding", "no is_packed_batching; scale must be 1"},
    {"Shape", kFolded},
    {"Size", kFolded},
    {"Slice", "starts, ends, axes and steps must be known when the graph is compiled"},
    {"LogSoftmax", "before opset 13 over the input flattened at axis, as then defined"},
    {"Softmax", "before opset 13 over the input flattened at axis, as then defined"},
    {"Tile", "repeats must be known when the graph is compiled"},
    {"TopK", "k must be known when the graph is compiled"},
    {"Where", "element types are those of the choices"},
};

}  // namespace sluice::tests
