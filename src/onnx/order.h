// Topological order of imported nodes.
#pragma once

#include "graph/graph.h"
#include "onnx/problems.h"

namespace sluice::onnx {

// Sorts the nodes so that each comes after those whose outputs it reads; nodes already in order keep their places (ONNX
// demands order, not every writer keeps it). A cycle is added to `problems`, naming a node on it.
void order_nodes(graph::Graph& graph, Problems& problems);

}  // namespace sluice::onnx
