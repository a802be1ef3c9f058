// One walk over the nodes in order. Every node's rule gets its inputs' dtypes and shapes and sets those of its outputs;
// nodes that read a value about which nothing is known (because an earlier node was refused) are passed over silently,
// so that each cause is reported once.
#include "graph/infer.h"

#include <algorithm>
#include <unordered_map>

#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

struct OpKey {
  std::string_view domain;
  std::string_view op_type;
  bool operator==(const OpKey&) const = default;
};

struct OpKeyHash {
  size_t operator()(const OpKey& key) const {
    return std::hash<std::string_view>()(key.op_type) * 31 + key.domain.size();
  }
};

using RuleMap = std::unordered_map<OpKey, const OpRule*, OpKeyHash>;

const OpRule* find_rule(std::string_view domain, std::string_view op_type) {
  static const RuleMap kRules = [] {
    RuleMap map;
    for (const std::span<const OpRule> group :
         {shape_rules(), select_rules(), move_rules(), elementwise_rules(), reduce_rules(), nn_rules(), norm_rules(),
          quantized_rules(), linear_rules(), attention_rules(), state_rules()}) {
      for (const OpRule& rule : group) map.emplace(OpKey{rule.domain, rule.op_type}, &rule);
    }
    return map;
  }();
  const auto found = kRules.find({domain, op_type});
  return found != kRules.end() ? found->second : nullptr;
}

class Inference {
 public:
  Inference(Graph& graph, const InferOptions& options) : graph_(graph), options_(options) {
    state_.slots.resize(graph.values.size());
  }

  std::vector<std::string> run() {
    forget_produced();
    bind_inputs();
    note_constants();
    for (Node& node : graph_.nodes) infer_node(node);
    return std::move(state_.obstacles);
  }

 private:
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    state_.obstacles.push_back("[infer] " + fmt::format(format, std::forward<Args>(args)...));
  }

  // Results of an earlier run, for other shapes, must not be taken for facts.
  void forget_produced() {
    for (const Node& node : graph_.nodes) {
      for (const ValueId id : node.outputs) {
        if (id == kNoValue) continue;
        Value& value = graph_.values[id];
        value.dtype.reset();
        value.shape.reset();
        value.known.reset();
        value.constant.reset();
      }
    }
  }

  void note_constants() {
    for (Value& value : graph_.values) {
      if (value.constant == nullptr || value.known || is_float(value.constant->dtype)) continue;
      if (value.constant->shape.size() > 1) continue;
      std::optional<Content> elements = decode(*value.constant);
      if (elements) value.known = std::move(elements->ints);
    }
  }

  void bind_inputs();
  void bind_dims(const Value& input, const Shape& given);
  void substitute(Shape& shape) const;
  bool can_run(const Node& node, const OpRule& rule, NodeInfer& context);
  void infer_node(Node& node);

  Graph& graph_;
  const InferOptions& options_;
  InferState state_;
  std::unordered_map<Symbol, Dim> bound_;  // what the given shapes say that declared symbols are
};

void Inference::bind_dims(const Value& input, const Shape& given) {
  const Shape& declared = *input.declared;
  if (declared.size() != given.size()) {
    return problem("input \"{}\" is declared as {}, got {}", input.name, to_string(declared, graph_),
                   to_string(given, graph_));
  }
  for (size_t i = 0; i < given.size(); ++i) {
    const Dim& dim = declared[i];
    if (dim.is_constant()) {
      if (surely_differ(dim, given[i])) {
        problem("input \"{}\" is declared as {}, got {}", input.name, to_string(declared, graph_),
                to_string(given, graph_));
      }
      continue;
    }
    if (dim.value != 0) continue;
    const auto [found, is_new] = bound_.emplace(dim.symbol, given[i]);
    if (!is_new && found->second != given[i]) {
      problem("input \"{}\": dimension {} is {} here and {} elsewhere", input.name, graph_.symbols[dim.symbol],
              to_string(given[i], graph_), to_string(found->second, graph_));
    }
  }
}

void Inference::substitute(Shape& shape) const {
  for (Dim& dim : shape) {
    const auto found = bound_.find(dim.symbol);
    if (dim.symbol != 0 && found != bound_.end())
      dim = {wrap_add(dim.value, found->second.value), found->second.symbol};
  }
}

void Inference::bind_inputs() {
  std::unordered_map<std::string_view, ValueId> by_name;
  for (const ValueId id : graph_.inputs) {
    Value& input = graph_.values[id];
    by_name.emplace(input.name, id);
    if (!input.declared) input.declared = input.shape;
    input.shape = input.declared;
  }
  for (const InputShape& given : options_.inputs) {
    const auto found = by_name.find(given.name);
    if (found == by_name.end()) {
      problem("the graph has no input \"{}\"", given.name);
      continue;
    }
    const auto is_bad = [](const Dim& dim) { return (dim.is_constant() && dim.value < 0) || dim.value > kMaxElements; };
    if (std::ranges::any_of(given.shape, is_bad)) {
      problem("input \"{}\" cannot be {}", given.name, to_string(given.shape, graph_));
      continue;
    }
    Value& input = graph_.values[found->second];
    if (input.declared) bind_dims(input, given.shape);
    input.shape = given.shape;
  }
  for (const InputShape& given : options_.inputs) by_name.erase(given.name);
  for (const auto& [name, id] : by_name) {
    Value& input = graph_.values[id];
    if (input.shape) substitute(*input.shape);
  }
  for (const ValueId id : graph_.inputs) {
    const Value& input = graph_.values[id];
    if (!input.shape) problem("input \"{}\" has no declared shape: give one", input.name);
    if (!input.dtype) problem("input \"{}\" has no type", input.name);
    if (std::ranges::find(options_.ones, input.name) != options_.ones.end()) state_.slots[id].is_ones = true;
  }
}

// Whether the rule can be called: required inputs given, something known about all.
bool Inference::can_run(const Node& node, const OpRule& rule, NodeInfer& context) {
  for (size_t i = 0; i < rule.required_inputs; ++i) {
    if (node.has(i)) continue;
    context.problem("input {} is missing", i);
    return false;
  }
  return std::ranges::all_of(
      node.inputs, [&](ValueId id) { return id == kNoValue || (graph_.values[id].shape && graph_.values[id].dtype); });
}

bool all_have_content(NodeInfer& context) {
  for (size_t i = 0; i < context.inputs(); ++i) {
    if (context.has(i) && context.content(i) == nullptr) return false;
  }
  return true;
}

void Inference::infer_node(Node& node) {
  NodeInfer context(graph_, state_, node);
  const OpRule* rule = find_rule(node.domain, node.op_type);
  if (rule == nullptr) return context.problem("the operator is not supported");
  if (!can_run(node, *rule, context)) return;
  try {
    rule->infer(context);
    if (rule->fold == nullptr || context.has_problem() || !context.wants(0) || !all_have_content(context)) return;
    const Value& output = graph_.values[node.outputs[0]];
    const std::optional<int64_t> elements = constant_elements(*output.shape);
    if (!elements || *elements > kMaxFoldElements || !is_foldable(*output.dtype)) return;
    std::optional<Content> content = rule->fold(context);
    if (!content) return;
    content->shape.clear();
    for (const Dim& dim : *output.shape) content->shape.push_back(dim.value);
    context.set_content(0, *std::move(content));
  } catch (const Refused&) {
    // Already noted.
  } catch (const Error& error) {
    state_.obstacles.emplace_back(error.what());
  }
}

}  // namespace

std::vector<std::string> infer(Graph& graph, const InferOptions& options) { return Inference(graph, options).run(); }

bool can_infer(const std::string& domain, const std::string& op_type) { return find_rule(domain, op_type) != nullptr; }

}  // namespace sluice::graph
