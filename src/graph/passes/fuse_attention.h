// Joins what stands around GroupQueryAttention with it: one kernel then does the work of several.
//
// The joined node is GroupQueryAttention of the domain "sluice": com.microsoft's inputs and attributes, and
//   16: gate, of the output's shape; the output is multiplied by its sigmoid
#pragma once

#include "graph/graph.h"

namespace sluice::graph {

// Into the attention behind them: a Split that cuts one product into query, key and value (the product is its packed
// input then), and the norms of queries and keys, each a SimplifiedLayerNormalization between two Reshapes. Into the
// attention before them: Sigmoid and Mul of a gate. Values that others read stay. To be run after infer() and
// remove_dead_nodes().
void fuse_attention(Graph& graph);

}  // namespace sluice::graph
