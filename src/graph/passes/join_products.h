// Joins quantised products of the same row into one node.
//
// The joined node is the operator JoinedMatMulNBits of the domain "sluice":
//   inputs: 0 the row; 1 norm weight (optional, see fuse.h); then four of each product: B, scales, zero points and bias
//   (the last two of all products or of none)
//   outputs: one of each product, or with gated = 1 a single one, g * sigmoid(gate_alpha * g) * u of two products
//   attributes: K, bits, block_size, accuracy_level and norm_epsilon as MatMulNBits has them; N of each product; gated
//   and gate_alpha
#pragma once

#include "graph/graph.h"

namespace sluice::graph {

struct JoinOptions {
  uint32_t max_bindings = 8;  // tensors that one node may read and write
};

// MatMulNBits nodes that read the same value, of one row, with constant weights of one K and kind: up to four become
// one node. Two of one N whose results meet in Sigmoid, Mul, Mul (or QuickGelu or Swish, Mul) and nowhere else take
// that along. To be run after fuse(), which joins biases and norms, and before element-wise nodes are joined.
void join_products(Graph& graph, const JoinOptions& options);

}  // namespace sluice::graph
