// What every pass asks of a graph's values.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace sluice::graph {

// How often each value is read: as an input of a node, or as an output of the graph.
std::vector<uint32_t> count_uses(const Graph& graph);

// The node that makes each value; null for inputs and constants. Holds while no node moves.
std::vector<Node*> find_producers(Graph& graph);

}  // namespace sluice::graph
