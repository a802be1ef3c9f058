// The lowering functions of all operators, by family; op_table.cpp lists them.
#pragma once

#include "kernels/data/reduce.h"
#include "kernels/elementwise/elementwise.h"
#include "lower/lowering.h"

namespace sluice::lower {

using graph::Node;

// An axis attribute or input as an index from the front; throws Error if it is outside [-rank, rank).
uint32_t resolve_axis(int64_t axis, size_t rank);
// The single float that an optional scalar input or attribute holds.
float constant_scalar(const Lowering& l, const Node& node, size_t input);

// Refuse an input or a value of an attribute that exists in the operator's schema but not in our kernels.
void refuse_input(const Node& node, size_t i, const char* name);
void refuse_attribute(const Node& node, const char* name, int64_t accepted);

// lower_elementwise.cpp
void lower_unary(Lowering& l, const Node& node, kernels::ElementOp op);
void lower_binary(Lowering& l, const Node& node, kernels::ElementOp op);
template <kernels::ElementOp kOp>
void unary(Lowering& l, const Node& node) {
  lower_unary(l, node, kOp);
}
template <kernels::ElementOp kOp>
void binary(Lowering& l, const Node& node) {
  lower_binary(l, node, kOp);
}
void lower_mod(Lowering& l, const Node& node);
void lower_gelu(Lowering& l, const Node& node);
void lower_quick_gelu(Lowering& l, const Node& node);
void lower_cast(Lowering& l, const Node& node);
void lower_clip(Lowering& l, const Node& node);
void lower_where(Lowering& l, const Node& node);

// lower_data.cpp
void lower_alias(Lowering& l, const Node& node);
void lower_transpose(Lowering& l, const Node& node);
void lower_slice(Lowering& l, const Node& node);
void lower_split(Lowering& l, const Node& node);
void lower_concat(Lowering& l, const Node& node);
void lower_expand(Lowering& l, const Node& node);
void lower_tile(Lowering& l, const Node& node);
void lower_pad(Lowering& l, const Node& node);
void lower_trilu(Lowering& l, const Node& node);
void lower_constant_of_shape(Lowering& l, const Node& node);
void lower_gather(Lowering& l, const Node& node);
void lower_gather_elements(Lowering& l, const Node& node);
void lower_gather_nd(Lowering& l, const Node& node);
void lower_gather_block_quantized(Lowering& l, const Node& node);
void lower_scatter_elements(Lowering& l, const Node& node);
void lower_scatter_nd(Lowering& l, const Node& node);
void lower_reduce(Lowering& l, const Node& node, kernels::ReduceOp op);
template <kernels::ReduceOp kOp>
void reduce(Lowering& l, const Node& node) {
  lower_reduce(l, node, kOp);
}
void lower_arg_max(Lowering& l, const Node& node);
void lower_arg_min(Lowering& l, const Node& node);
void lower_cumsum(Lowering& l, const Node& node);
void lower_topk(Lowering& l, const Node& node);

// lower_nn.cpp
void lower_matmul(Lowering& l, const Node& node);
void lower_gemm(Lowering& l, const Node& node);
void lower_matmul_nbits(Lowering& l, const Node& node);
void lower_qmoe(Lowering& l, const Node& node);
void lower_moe(Lowering& l, const Node& node);
void lower_softmax(Lowering& l, const Node& node);
void lower_log_softmax(Lowering& l, const Node& node);
void lower_rms_norm(Lowering& l, const Node& node);
void lower_skip_rms_norm(Lowering& l, const Node& node);
void lower_layer_norm(Lowering& l, const Node& node);
void lower_skip_layer_norm(Lowering& l, const Node& node);

// lower_attention.cpp
void lower_group_query_attention(Lowering& l, const Node& node);
void lower_multi_head_attention(Lowering& l, const Node& node);
void lower_attention(Lowering& l, const Node& node);
void lower_rotary_embedding(Lowering& l, const Node& node);

// lower_state.cpp
void lower_causal_conv(Lowering& l, const Node& node);
void lower_conv(Lowering& l, const Node& node);
void lower_linear_attention(Lowering& l, const Node& node);
void lower_linear_gate(Lowering& l, const Node& node);
void lower_gated_rms_norm(Lowering& l, const Node& node);

}  // namespace sluice::lower
