// For tests: graphs written as text. A value is "float16[1, past+3, 64]", an integer constant "={1, -1}" (a list) or
// "=5" (a scalar), an absent one "_". What inference found is read back in the same spelling.
#pragma once

#include <cctype>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "graph/graph.h"
#include "graph/infer.h"

namespace sluice::graph {

inline DType parse_dtype(const std::string& text) {
  for (int i = 0; i <= static_cast<int>(DType::kString); ++i) {
    if (name(static_cast<DType>(i)) == text) return static_cast<DType>(i);
  }
  fail("test", "no type is called \"{}\"", text);
}

inline std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    parts.push_back(part);
  }
  return parts;
}

// "5", "past" or "past+5"
inline Dim parse_dim(const std::string& text, Graph& graph) {
  if (std::isalpha(static_cast<unsigned char>(text[0])) == 0) return {std::stoll(text), 0};
  const size_t end = text.find_first_of("+-");
  const int64_t value = end == std::string::npos ? 0 : std::stoll(text.substr(end));
  return {value, graph.symbol(text.substr(0, end))};
}

inline Shape parse_shape(const std::string& text, Graph& graph) {
  Shape shape;
  for (const std::string& dim : split(text, ',')) shape.push_back(parse_dim(dim, graph));
  return shape;
}

// `dtype` numbers of 8 bytes each cut to the type's width.
inline std::shared_ptr<const Constant> make_constant(DType dtype, std::vector<int64_t> shape,
                                                     const std::vector<int64_t>& values) {
  const size_t width = bits(dtype) / 8;
  auto bytes = std::make_shared<std::vector<std::byte>>(values.size() * width);
  for (size_t i = 0; i < values.size(); ++i) std::memcpy(bytes->data() + i * width, &values[i], width);
  auto constant = std::make_shared<Constant>();
  constant->dtype = dtype;
  constant->shape = std::move(shape);
  constant->bytes = *bytes;
  constant->owner = bytes;
  return constant;
}

class GraphBuilder {
 public:
  Graph graph;
  int64_t opset = 21;

  // A graph input or constant by its text; "_" is kNoValue.
  ValueId value(const std::string& text, const std::string& name = "") {
    if (text == "_") return kNoValue;
    Value value;
    value.name = name.empty() ? "v" + std::to_string(graph.values.size()) : name;
    if (text[0] == '=') {
      const bool is_scalar = text[1] != '{';
      const std::string list = is_scalar ? text.substr(1) : text.substr(2, text.size() - 3);
      std::vector<int64_t> numbers;
      for (const std::string& number : split(list, ',')) numbers.push_back(std::stoll(number));
      return constant(std::move(value), DType::kInt64,
                      is_scalar ? Shape() : Shape{{static_cast<int64_t>(numbers.size()), 0}}, numbers);
    }
    const size_t bracket = text.find('[');
    value.dtype = parse_dtype(text.substr(0, bracket));
    value.shape = parse_shape(text.substr(bracket + 1, text.size() - bracket - 2), graph);
    const ValueId id = graph.add_value(std::move(value));
    graph.inputs.push_back(id);
    return id;
  }

  ValueId constant(Value value, DType dtype, Shape shape, const std::vector<int64_t>& numbers) {
    std::vector<int64_t> sizes;
    for (const Dim& dim : shape) sizes.push_back(dim.value);
    value.dtype = dtype;
    value.shape = std::move(shape);
    value.constant = make_constant(dtype, std::move(sizes), numbers);
    return graph.add_value(std::move(value));
  }

  // "MatMulNBits" of com.microsoft is "com.microsoft.MatMulNBits". Returns the outputs, `count` new values.
  std::vector<ValueId> node(const std::string& op, std::vector<ValueId> inputs, size_t count = 1,
                            Attributes attributes = {}) {
    Node node;
    const size_t dot = op.rfind('.');
    node.domain = dot == std::string::npos ? "" : op.substr(0, dot);
    node.op_type = dot == std::string::npos ? op : op.substr(dot + 1);
    node.name = "node" + std::to_string(graph.nodes.size());
    node.opset = node.domain.empty() ? opset : 1;
    node.inputs = std::move(inputs);
    node.attributes = std::move(attributes);
    for (size_t i = 0; i < count; ++i) {
      Value value;
      value.name = "o" + std::to_string(graph.values.size());
      node.outputs.push_back(graph.add_value(std::move(value)));
    }
    graph.nodes.push_back(node);
    return node.outputs;
  }

  // "float[1, past+3]", with "={...}" for known elements; "?" if nothing was found.
  std::string text(ValueId id) const {
    const Value& value = graph.values[id];
    if (!value.dtype || !value.shape) return "?";
    std::string result = std::string(name(*value.dtype)) + to_string(*value.shape, graph);
    if (!value.known) return result;
    std::string elements;
    for (const Dim& dim : *value.known) elements += (elements.empty() ? "" : ", ") + to_string(dim, graph);
    return result + "={" + elements + "}";
  }
};

// One operator alone: inputs as text, and either the texts of all outputs joined with "; " or "! " and a part of the
// obstacle.
struct OpCase {
  std::string op;
  std::vector<std::string> inputs;
  Attributes attributes;
  std::string expected;
  int64_t opset = 21;
};

inline std::string infer_op(const OpCase& op_case) {
  GraphBuilder builder;
  builder.opset = op_case.opset;
  std::vector<ValueId> inputs;
  for (const std::string& input : op_case.inputs) inputs.push_back(builder.value(input));
  const size_t count = op_case.expected[0] == '!' ? 1 : split(op_case.expected, ';').size();
  const std::vector<ValueId> outputs = builder.node(op_case.op, inputs, count, op_case.attributes);
  builder.graph.outputs = outputs;
  const std::vector<std::string> obstacles = infer(builder.graph, {});
  std::string result;
  for (const std::string& obstacle : obstacles) result += "! " + obstacle + "\n";
  if (!result.empty()) return result;
  for (const ValueId id : outputs) result += (result.empty() ? "" : "; ") + builder.text(id);
  return result;
}

}  // namespace sluice::graph
