// Kahn's algorithm with the smallest waiting index first, which leaves an ordered graph untouched.
#include "onnx/order.h"

#include <functional>
#include <queue>

namespace sluice::onnx {
namespace {

using graph::kNoValue;
using graph::Node;
using graph::ValueId;

constexpr uint32_t kNoNode = ~0u;

std::vector<uint32_t> producers_of(const graph::Graph& graph) {
  std::vector<uint32_t> producer(graph.values.size(), kNoNode);
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].outputs) {
      if (id != kNoValue) producer[id] = i;
    }
  }
  return producer;
}

// Every waiting node reads from a waiting node, so going back from one must come round.
void report_cycle(const graph::Graph& graph, const std::vector<uint32_t>& producer,
                  const std::vector<uint32_t>& waiting, Problems& problems) {
  uint32_t at = 0;
  while (waiting[at] == 0) ++at;
  std::vector<bool> seen(graph.nodes.size());
  while (!seen[at]) {
    seen[at] = true;
    for (const ValueId id : graph.nodes[at].inputs) {
      if (id == kNoValue || producer[id] == kNoNode || waiting[producer[id]] == 0) continue;
      at = producer[id];
      break;
    }
  }
  problems.add("{} \"{}\" is on a cycle: it depends on its own output", graph.nodes[at].op_type, graph.nodes[at].name);
}

}  // namespace

void order_nodes(graph::Graph& graph, Problems& problems) {
  const std::vector<uint32_t> producer = producers_of(graph);
  std::vector<uint32_t> waiting(graph.nodes.size());  // inputs of a node that are not yet produced
  std::vector<std::vector<uint32_t>> readers(graph.nodes.size());
  bool is_ordered = true;
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].inputs) {
      if (id == kNoValue || producer[id] == kNoNode) continue;
      ++waiting[i];
      readers[producer[id]].push_back(i);
      is_ordered = is_ordered && producer[id] < i;
    }
  }
  if (is_ordered) return;
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    if (waiting[i] == 0) ready.push(i);
  }
  std::vector<Node> ordered;
  ordered.reserve(graph.nodes.size());
  while (!ready.empty()) {
    const uint32_t i = ready.top();
    ready.pop();
    for (const uint32_t reader : readers[i]) {
      if (--waiting[reader] == 0) ready.push(reader);
    }
    ordered.push_back(std::move(graph.nodes[i]));
  }
  if (ordered.size() < graph.nodes.size()) return report_cycle(graph, producer, waiting, problems);
  graph.nodes = std::move(ordered);
}

}  // namespace sluice::onnx
