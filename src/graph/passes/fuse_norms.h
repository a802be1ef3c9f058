// Joins the norms around a residual addition where a block's result is normalised before it is added.
//
// The joined node is SkipSimplifiedLayerNormalization of the domain "sluice", with the inputs, outputs and attributes
// of com.microsoft's and more:
//   4: inner norm weight (H): the first input is RMS-normalised with it and the attribute inner_epsilon first.
// Without its weight (input 2) it has only output 3, the sum.
#pragma once

#include "graph/graph.h"

namespace sluice::graph {

// x + norm(y), and norm(x + norm(y)), where nothing else reads norm(y), become one node; so does a norm of the sum,
// which the sum's other readers still get. To be run after infer() and remove_dead_nodes(), before fuse(): for one row,
// one dispatch that adds and normalises is faster than products that each normalise their input.
void fuse_norms(Graph& graph);

}  // namespace sluice::graph
