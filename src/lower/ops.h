// The lowering functions of all operators, by family; op_table.cpp lists them.
#pragma once

#include "kernels/data/reduce.h"
#include "kernels/elementwise/elementwise.h"
#include "lower/lowering.h"

namespace sluice::lower {

using graph::Node;

// An axis attribute or input as an index from the front; throws Error if it is outside [-rank, rank).
uint32_t resolve_axis(int64_t axis, size_t rank);
// The single number that an input holds, which must be known at compile time.
double constant_scalar(const Lowering& l, const Node& node, size_t input);

// An operator whose kernels do not take packed bytes, of uint8 tensors too.
template <void (*kLower)(Lowering&, const Node&)>
void whole(Lowering& l, const Node& node) {
  l.with_whole_bytes([&] { kLower(l, node); });
}

// Refuse an input or a value of an attribute that exists in the operator's schema but not in our kernels.
void refuse_input(const Node& node, size_t i, const char* name);
void refuse_attribute(const Node& node, const char* name, int64_t accepted);

// lower_elementwise.cpp
struct ElementNode {
  std::vector<ElementOperand> operands;
  kernels::ElementProgram program;
  std::string name;  // of the dispatch, where nothing joins it; empty: the operators' names
};
// Makes a program's result the node's first output, modulo 2^8 or 2^16 where that is narrower than its storage.
void lower_program(Lowering& l, const Node& node, ElementNode problem);
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
void lower_pow(Lowering& l, const Node& node);
void lower_sum(Lowering& l, const Node& node);
void lower_mean(Lowering& l, const Node& node);
void lower_mod(Lowering& l, const Node& node);
void lower_gelu(Lowering& l, const Node& node);
void lower_quick_gelu(Lowering& l, const Node& node);
void lower_cast(Lowering& l, const Node& node);
void lower_clip(Lowering& l, const Node& node);
void lower_where(Lowering& l, const Node& node);

// lower_activation.cpp
void lower_leaky_relu(Lowering& l, const Node& node);
void lower_prelu(Lowering& l, const Node& node);
void lower_elu(Lowering& l, const Node& node);
void lower_selu(Lowering& l, const Node& node);
void lower_celu(Lowering& l, const Node& node);
void lower_hard_sigmoid(Lowering& l, const Node& node);
void lower_hard_swish(Lowering& l, const Node& node);
void lower_mish(Lowering& l, const Node& node);
void lower_softsign(Lowering& l, const Node& node);
void lower_thresholded_relu(Lowering& l, const Node& node);
void lower_shrink(Lowering& l, const Node& node);
void lower_swish(Lowering& l, const Node& node);
void lower_is_inf(Lowering& l, const Node& node);
void lower_bit_shift(Lowering& l, const Node& node);
void lower_biased(Lowering& l, const Node& node, kernels::ElementOp op);
template <kernels::ElementOp kOp>
void biased(Lowering& l, const Node& node) {
  lower_biased(l, node, kOp);
}

// lower_statistics.cpp
void lower_reduce_l1(Lowering& l, const Node& node);
void lower_reduce_log_sum(Lowering& l, const Node& node);
void lower_reduce_log_sum_exp(Lowering& l, const Node& node);
void lower_global_average_pool(Lowering& l, const Node& node);
void lower_global_max_pool(Lowering& l, const Node& node);
void lower_hardmax(Lowering& l, const Node& node);
void lower_batch_norm(Lowering& l, const Node& node);
void lower_instance_norm(Lowering& l, const Node& node);
void lower_group_norm(Lowering& l, const Node& node);
void lower_lp_norm(Lowering& l, const Node& node);
void lower_mean_variance_norm(Lowering& l, const Node& node);

// lower_make.cpp
void lower_known(Lowering& l, const Node& node);
void lower_dropout(Lowering& l, const Node& node);
void lower_range(Lowering& l, const Node& node);
void lower_one_hot(Lowering& l, const Node& node);
void lower_eye_like(Lowering& l, const Node& node);
void lower_depth_to_space(Lowering& l, const Node& node);
void lower_space_to_depth(Lowering& l, const Node& node);

// lower_scatter.cpp
void lower_scatter_elements(Lowering& l, const Node& node);
void lower_scatter_nd(Lowering& l, const Node& node);

// lower_linear.cpp
void lower_dequantize_linear(Lowering& l, const Node& node);
void lower_quantize_linear(Lowering& l, const Node& node);
void lower_dynamic_quantize_linear(Lowering& l, const Node& node);
void lower_matmul_integer(Lowering& l, const Node& node);

// lower_data.cpp
// x and the axes of a Reduce* node, without an output.
kernels::ReduceProblem reduce_problem(Lowering& l, const Node& node, kernels::ReduceOp op);
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
void lower_joined_matmul_nbits(Lowering& l, const Node& node);
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
