// The rules of a well-formed graph, checked in one walk over inputs, nodes and outputs. A node may read only what was
// available before it, which rules out cycles together with wrong order.
#include <fmt/format.h>

#include "graph/graph.h"

namespace sluice::graph {
namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), available_(graph.values.size()) {}

  std::vector<std::string> run() {
    for (size_t id = 0; id < graph_.values.size(); ++id) check_value(id);
    for (const ValueId id : graph_.inputs) {
      if (!in_range(id)) {
        report("the graph: input id {} is out of range", id);
      } else if (available_[id] == Source::kInput) {
        report("the graph: input \"{}\" is listed twice", graph_.values[id].name);
      } else {
        available_[id] = Source::kInput;
      }
    }
    for (const Node& node : graph_.nodes) check_node(node);
    for (const ValueId id : graph_.outputs) {
      if (!in_range(id)) {
        report("the graph: output id {} is out of range", id);
      } else if (!can_read(id)) {
        report("the graph: nothing produces output \"{}\"", graph_.values[id].name);
      }
    }
    return std::move(problems_);
  }

 private:
  enum class Source : uint8_t { kNone, kInput, kNode };

  template <class... Args>
  void report(fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  bool in_range(ValueId id) const { return id < graph_.values.size(); }

  // Initializers and folded values need no producer.
  bool can_read(ValueId id) const {
    const Value& value = graph_.values[id];
    return available_[id] != Source::kNone || value.constant != nullptr || value.known.has_value();
  }

  void check_value(size_t id) {
    const Value& value = graph_.values[id];
    if (value.shape) {
      for (const Dim& dim : *value.shape) {
        if (dim.symbol >= graph_.symbols.size())
          report("value \"{}\": symbol {} is out of range", value.name, dim.symbol);
        if (dim.is_constant() && dim.value < 0) report("value \"{}\": a dimension is {}", value.name, dim.value);
      }
    }
    if (value.constant != nullptr) check_constant(value);
  }

  void check_constant(const Value& value) {
    const Constant& constant = *value.constant;
    if (value.dtype && *value.dtype != constant.dtype) {
      report("value \"{}\": its type is {}, its constant's {}", value.name, name(*value.dtype), name(constant.dtype));
    }
    for (const int64_t dim : constant.shape) {
      if (dim < 0) return report("value \"{}\": a dimension of its constant is {}", value.name, dim);
    }
    // External data that was not mapped has neither bytes nor owner.
    if (constant.owner == nullptr && constant.bytes.empty()) return;
    const uint64_t expected = (static_cast<uint64_t>(constant.elements()) * bits(constant.dtype) + 7) / 8;
    if (constant.bytes.size() != expected) {
      report("value \"{}\": {}[{}] needs {} bytes, its constant has {}", value.name, name(constant.dtype),
             fmt::join(constant.shape, ", "), expected, constant.bytes.size());
    }
  }

  void check_node(const Node& node) {
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (!in_range(id)) {
        report("{} \"{}\": input id {} is out of range", node.op_type, node.name, id);
      } else if (!can_read(id)) {
        report("{} \"{}\": nothing before it produces \"{}\"", node.op_type, node.name, graph_.values[id].name);
      }
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      if (!in_range(id)) {
        report("{} \"{}\": output id {} is out of range", node.op_type, node.name, id);
      } else if (available_[id] != Source::kNone) {
        report("{} \"{}\": \"{}\" is already produced by {}", node.op_type, node.name, graph_.values[id].name,
               available_[id] == Source::kInput ? "a graph input" : "another node");
      } else {
        available_[id] = Source::kNode;
      }
    }
  }

  const Graph& graph_;
  std::vector<Source> available_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> verify(const Graph& graph) { return Verifier(graph).run(); }

}  // namespace sluice::graph
