// Joins nodes of an inferred graph where one kernel does the work of several.
//
// A joined node is an operator of the domain "sluice", with the inputs and attributes of its origin and more:
//   MatMul        2: norm weight (K)
//   MatMulNBits   6: residual, of the output's shape, added to it; 7: norm weight (K)
//   QMoE         15: residual; 16: norm weight (H); 17: selection bias (fuse_router.h)
// With a norm weight the first input is RMS-normalised with it and the attribute norm_epsilon first.
#pragma once

#include "graph/graph.h"

namespace sluice::graph {

struct FuseOptions {
  // The widest row whose norm joins the products that read it; 0 for none. It joins only where there is one row, since
  // every workgroup of a product normalises the row anew.
  uint32_t max_norm_width = 0;
};

// Into the product before them: an Add of a constant vector (as the bias), an Add of a tensor of the output's shape and
// the addition in SkipSimplifiedLayerNormalization (as the residual). Into the products after it: a norm that only they
// read. Values that others read stay. To be run after infer() and remove_dead_nodes().
void fuse(Graph& graph, const FuseOptions& options);

}  // namespace sluice::graph
