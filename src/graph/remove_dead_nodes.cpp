// Walks the nodes backwards from what is needed: graph outputs, then the inputs of every node that is kept. A folded
// value needs no node, and neither do the inputs that only it had.
#include "base/log.h"
#include "graph/infer.h"

namespace sluice::graph {

void remove_dead_nodes(Graph& graph) {
  std::vector<bool> is_output(graph.values.size());
  for (const ValueId id : graph.outputs) is_output[id] = true;
  std::vector<bool> is_needed = is_output;
  std::vector<bool> keep(graph.nodes.size());
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    for (const ValueId id : node.outputs) {
      if (id == kNoValue || !is_needed[id]) continue;
      const Value& value = graph.values[id];
      // A folded graph output keeps its node: somebody must still write it.
      if (is_output[id] || (value.constant == nullptr && !value.known)) keep[i] = true;
    }
    if (!keep[i]) continue;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) is_needed[id] = true;
    }
  }
  size_t kept = 0;
  const size_t before = graph.nodes.size();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!keep[i]) continue;
    if (kept != i) graph.nodes[kept] = std::move(graph.nodes[i]);
    ++kept;
  }
  graph.nodes.resize(kept);
  log(Component::kGraph, LogLevel::kDebug, "nodes folded or not needed", {{"before", before}, {"after", kept}});
}

}  // namespace sluice::graph
