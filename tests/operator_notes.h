// What docs/operators.md says about single operators beyond the columns of the table: variants, and what is refused.
#pragma once

#include <string_view>

namespace sluice::tests {

struct OperatorNote {
  std::string_view op_type;  // of every domain
  std::string_view text;
};

inline constexpr OperatorNote kNotes[] = {
    {"CausalConvWithState", "activation none, silu or swish; one spatial dimension, no dilation"},
    {"Clip", "limits of one element"},
    {"Concat", "empty inputs are allowed"},
    {"CumSum", "the axis must be constant"},
    {"Expand", "the shape must be known when the graph is compiled"},
    {"GatherBlockQuantized", "gather_axis 0, the last axis quantized; element types are those of the scales"},
    {"GroupQueryAttention", "causal; no quantized cache, no output_qk"},
    {"MatMulNBits", "no g_idx, no prepacked weights"},
    {"Pad", "mode constant; pads must be constant"},
    {"QMoE", "quant_type int; no prepacked weights"},
    {"Reshape", "the shape must be known when the graph is compiled"},
    {"ScatterND", "reduction none"},
    {"Slice", "starts, ends, axes and steps must be known when the graph is compiled"},
    {"Softmax", "before opset 13 over the input flattened at axis, as then defined"},
    {"Tile", "repeats must be known when the graph is compiled"},
    {"TopK", "k must be known when the graph is compiled"},
};

}  // namespace sluice::tests
