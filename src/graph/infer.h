// Shape and dtype inference with symbolic dimensions, and folding of shape arithmetic.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace sluice::graph {

// Shapes of graph inputs to compile for: overrides the declared one. All ranks must agree with the declared ones.
struct InputShape {
  std::string name;
  Shape shape;
};

struct InferOptions {
  std::vector<InputShape> inputs;
  // Graph inputs whose every element is 1 (the attention mask of an unpadded batch): ReduceSum over one gives its
  // length.
  std::vector<std::string> ones;
};

// Fills dtype, shape and (for small integer tensors) known of every value, and constant for the results of folding that
// are plain tensors (ConstantOfShape is left to the GPU). Dimensions of the declared inputs are unified with the given
// shapes, so that one dim_param bound to two different sizes is an obstacle. Returns all obstacles, each naming its
// node and operator: unsupported operators, wrong dtypes, shapes that disagree, data-dependent shapes. Never throws for
// a bad model.
//
// A size that is not linear in one symbol (a product of two, say) gets a symbol of its own, named after the expression.
// A graph may be inferred again for other shapes, but not after remove_dead_nodes(): what the removed nodes made known
// would stay known. Keep the whole graph and work on copies.
std::vector<std::string> infer(Graph& graph, const InferOptions& options);

// Whether infer() has a rule for this operator.
bool can_infer(const std::string& domain, const std::string& op_type);

// Removes nodes whose outputs nobody uses or whose outputs are all constant or known, and values that only they used
// stay unused.
void remove_dead_nodes(Graph& graph);

}  // namespace sluice::graph
