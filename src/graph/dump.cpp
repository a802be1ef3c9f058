// The graph as text: what tests of rewrites compare and what people read when a model is refused.
#include <fmt/format.h>

#include "graph/graph.h"

namespace sluice::graph {

std::string to_string(const Dim& dim, const Graph& graph) {
  if (dim.is_constant()) return fmt::format("{}", dim.value);
  const std::string symbol =
      dim.symbol < graph.symbols.size() ? graph.symbols[dim.symbol] : fmt::format("?{}", dim.symbol);
  return dim.value == 0 ? symbol : fmt::format("{}{:+}", symbol, dim.value);
}

std::string to_string(const Shape& shape, const Graph& graph) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += to_string(shape[i], graph);
  }
  return text + "]";
}

namespace {

constexpr size_t kMaxListed = 8;  // longer lists are cut: dumps are for reading

template <class Items, class Format>
std::string list(const Items& items, Format format) {
  std::string text;
  size_t count = 0;
  for (const auto& item : items) {
    if (count > 0) text += ", ";
    if (count++ == kMaxListed) return text + "...";
    text += format(item);
  }
  return text;
}

std::string value_text(ValueId id, const Graph& graph) {
  if (id == kNoValue) return "_";
  if (id >= graph.values.size()) return fmt::format("%?{}", id);
  const Value& value = graph.values[id];
  std::string text = "%" + value.name;
  if (value.dtype) text += fmt::format(":{}", name(*value.dtype));
  if (value.shape) text += to_string(*value.shape, graph);
  if (value.known) {
    text += "={" + list(*value.known, [&](const Dim& dim) { return to_string(dim, graph); }) + "}";
  }
  return text;
}

struct AttributeText {
  std::string operator()(int64_t value) const { return fmt::format("{}", value); }
  std::string operator()(float value) const { return fmt::format("{}", value); }
  std::string operator()(const std::string& value) const { return fmt::format("\"{}\"", value); }
  std::string operator()(const Constant& value) const {
    return fmt::format("<{}[{}]>", name(value.dtype), fmt::join(value.shape, ", "));
  }
  template <class T>
  std::string operator()(const std::vector<T>& values) const {
    return "[" + list(values, *this) + "]";
  }
};

std::string node_text(const Node& node, const Graph& graph) {
  std::string text;
  for (const ValueId id : node.outputs) text += (text.empty() ? "" : ", ") + value_text(id, graph);
  text += " = " + (node.domain.empty() ? "" : node.domain + ".") + node.op_type + "(";
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    text += i > 0 ? ", " : "";
    text += id < graph.values.size() ? "%" + graph.values[id].name : "_";
  }
  text += ")";
  if (!node.attributes.empty()) {
    std::string attributes;
    for (const auto& [key, value, is_read] : node.attributes) {
      attributes += fmt::format("{}{}={}", attributes.empty() ? "" : ", ", key, std::visit(AttributeText(), value));
    }
    text += " {" + attributes + "}";
  }
  return text + "  # " + node.name + "\n";
}

}  // namespace

std::string dump(const Graph& graph) {
  std::string text;
  for (const ValueId id : graph.inputs) text += "input " + value_text(id, graph) + "\n";
  for (const Node& node : graph.nodes) text += node_text(node, graph);
  for (const ValueId id : graph.outputs) text += "output " + value_text(id, graph) + "\n";
  return text;
}

}  // namespace sluice::graph
