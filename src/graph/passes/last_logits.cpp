#include "graph/passes/last_logits.h"

#include <algorithm>
#include <array>
#include <limits>

namespace sluice::graph {

namespace {

constexpr std::array kElementwise = {"Cast", "Mul", "Div", "Add", "Sub", "Tanh", "Clip"};
constexpr std::array kProjections = {"MatMulNBits", "MatMul"};

size_t uses(const Graph& graph, ValueId value) {
  size_t count = 0;
  for (const Node& node : graph.nodes) count += std::count(node.inputs.begin(), node.inputs.end(), value);
  return count;
}

ValueId int_constant(Graph& graph, const std::string& name, int64_t x) {
  auto storage = std::make_shared<std::array<int64_t, 1>>(std::array<int64_t, 1>{x});
  auto constant = std::make_shared<Constant>();
  constant->dtype = DType::kInt64;
  constant->shape = {1};
  constant->bytes = std::as_bytes(std::span(*storage));
  constant->owner = storage;
  return graph.add_value({.name = name,
                          .dtype = DType::kInt64,
                          .shape = Shape{{1, 0}},
                          .constant = std::move(constant),
                          .known = std::vector<Dim>{{x, 0}}});
}

// Index of the projection that makes the logits, or nodes.size().
size_t find_projection(const Graph& graph, ValueId value) {
  const auto is_one_of = [](const auto& names, const std::string& op) {
    return std::find(names.begin(), names.end(), op) != names.end();
  };
  for (bool first = true;; first = false) {
    const auto node =
        std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& n) { return n.output(0) == value; });
    if (node == graph.nodes.end() || (!first && uses(graph, value) != 1)) return graph.nodes.size();
    if (is_one_of(kProjections, node->op_type)) return static_cast<size_t>(node - graph.nodes.begin());
    const bool scaled = std::all_of(node->inputs.begin() + 1, node->inputs.end(),
                                    [&](ValueId id) { return id == kNoValue || graph.values[id].constant; });
    if (!is_one_of(kElementwise, node->op_type) || !scaled) return graph.nodes.size();
    value = node->input(0);
  }
}

}  // namespace

bool keep_last_logits(Graph& graph, const std::string& logits) {
  const ValueId output = graph.find(logits);
  if (output == kNoValue) return false;
  const size_t projection = find_projection(graph, output);
  if (projection == graph.nodes.size()) return false;
  Node slice;
  slice.name = "last_position";
  slice.op_type = "Slice";
  slice.opset = graph.opsets.contains("") ? graph.opsets.at("") : 13;
  if (slice.opset < 10) return false;  // starts and ends were attributes then
  slice.inputs = {graph.nodes[projection].input(0), int_constant(graph, "last_position/starts", -1),
                  int_constant(graph, "last_position/ends", std::numeric_limits<int64_t>::max()),
                  int_constant(graph, "last_position/axes", 1)};
  slice.outputs = {
      graph.add_value({.name = "last_position/output", .dtype = {}, .shape = {}, .constant = nullptr, .known = {}})};
  graph.nodes[projection].inputs[0] = slice.outputs[0];
  graph.nodes.insert(graph.nodes.begin() + static_cast<ptrdiff_t>(projection), std::move(slice));
  return true;
}

}  // namespace sluice::graph
