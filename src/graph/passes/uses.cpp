#include "graph/passes/uses.h"

namespace sluice::graph {

std::vector<uint32_t> count_uses(const Graph& graph) {
  std::vector<uint32_t> uses(graph.values.size());
  for (const Node& node : graph.nodes) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) ++uses[id];
    }
  }
  for (const ValueId id : graph.outputs) ++uses[id];
  return uses;
}

std::vector<Node*> find_producers(Graph& graph) {
  std::vector<Node*> producers(graph.values.size());
  for (Node& node : graph.nodes) {
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) producers[id] = &node;
    }
  }
  return producers;
}

}  // namespace sluice::graph
