#include "graph/passes/join_products.h"

#include <algorithm>
#include <array>
#include <optional>

namespace sluice::graph {

namespace {

constexpr std::string_view kMs = "com.microsoft";
constexpr std::string_view kOwn = "sluice";
constexpr size_t kMostProducts = 4, kResidualInput = 6, kNormInput = 7;
constexpr std::array<size_t, 4> kMatrixInputs = {1, 2, 3, 5};  // B, scales, zero points, bias
constexpr std::array<std::string_view, 5> kSharedAttributes = {"K", "bits", "block_size", "accuracy_level",
                                                               "norm_epsilon"};

bool is_quantised_product(const Node& node) {
  if (node.op_type != "MatMulNBits" || (node.domain != kMs && node.domain != kOwn)) return false;
  if (node.has(4) || node.has(kResidualInput) || node.output(0) == kNoValue) return false;
  return std::all_of(node.attributes.begin(), node.attributes.end(), [](const auto& attribute) {
    return attribute.name == "N" ||
           std::find(kSharedAttributes.begin(), kSharedAttributes.end(), attribute.name) != kSharedAttributes.end();
  });
}

struct Gate {
  size_t gate, up;            // products, as indices of nodes
  std::vector<size_t> nodes;  // that the joined one replaces besides
  ValueId output;
  float alpha;
};

class Joiner {
 public:
  Joiner(Graph& graph, const JoinOptions& options)
      : graph_(graph), options_(options), readers_(graph.values.size()), gone_(graph.nodes.size()) {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      for (const ValueId id : graph_.nodes[i].inputs) {
        if (id != kNoValue) readers_[id].push_back(i);
      }
    }
    for (const ValueId id : graph_.outputs) readers_[id].push_back(kOutside);
  }

  void run() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) join_gate(i);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) join_group(i);
    std::vector<Node> nodes;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!gone_[i]) nodes.push_back(std::move(graph_.nodes[i]));
    }
    graph_.nodes = std::move(nodes);
  }

 private:
  static constexpr size_t kOutside = ~size_t{0};

  bool is_one_row(ValueId id) const {
    const auto& shape = graph_.values[id].shape;
    return shape && !shape->empty() && std::all_of(shape->begin(), shape->end() - 1, [](const Dim& d) {
             return d == Dim{1, 0};
           });
  }

  bool can_join(const Node& node) const {
    return node.has(0) && is_one_row(node.input(0)) && is_quantised_product(node) &&
           std::all_of(kMatrixInputs.begin(), kMatrixInputs.end(),
                       [&](size_t i) { return !node.has(i) || graph_.values[node.input(i)].constant; });
  }

  bool same_type(ValueId a, ValueId b) const {
    return (a == kNoValue) == (b == kNoValue) && (a == kNoValue || graph_.values[a].dtype == graph_.values[b].dtype);
  }

  bool alike(const Node& a, const Node& b) const {
    const auto same_input = [&](size_t i) { return same_type(a.input(i), b.input(i)); };
    const auto same_attribute = [&](std::string_view name) {
      const float x = name == "norm_epsilon" ? a.f(name, 0) : static_cast<float>(a.i(name, name == "bits" ? 4 : 0));
      const float y = name == "norm_epsilon" ? b.f(name, 0) : static_cast<float>(b.i(name, name == "bits" ? 4 : 0));
      return x == y;
    };
    return a.input(kNormInput) == b.input(kNormInput) && same_type(a.output(0), b.output(0)) &&
           std::all_of(kMatrixInputs.begin(), kMatrixInputs.end(), same_input) &&
           std::all_of(kSharedAttributes.begin(), kSharedAttributes.end(), same_attribute);
  }

  // The products that read what node `first` reads and are like it, in order; it is one of them, or there are none.
  std::vector<size_t> group_of(size_t first) const {
    std::vector<size_t> group;
    if (gone_[first] || !can_join(graph_.nodes[first])) return group;
    for (const size_t i : readers_[graph_.nodes[first].input(0)]) {
      if (i == kOutside || gone_[i] || graph_.nodes[i].input(0) != graph_.nodes[first].input(0)) continue;
      if (can_join(graph_.nodes[i]) && alike(graph_.nodes[first], graph_.nodes[i])) group.push_back(i);
    }
    return group;
  }

  const Node* only_reader(ValueId id, size_t& index) const {
    if (id == kNoValue || readers_[id].size() != 1 || readers_[id][0] == kOutside) return nullptr;
    index = readers_[id][0];
    return &graph_.nodes[index];
  }

  static ValueId other_input(const Node& node, ValueId id) {
    return node.input(0) == id ? node.input(1) : node.input(0);
  }

  // Follows the result of a product through g * sigmoid(alpha * g): sets `id` to that, notes the nodes and alpha.
  bool follow_activation(ValueId& id, Gate& gate) const {
    const ValueId sum = id;
    size_t at = 0;
    if (const Node* node = only_reader(sum, at)) {
      const bool quick = node->op_type == "QuickGelu" && node->domain == kMs;
      if (!quick && !(node->op_type == "Swish" && node->domain.empty())) return false;
      gate.alpha = node->f("alpha", quick ? 1.702f : 1.0f);
      gate.nodes.push_back(at);
      id = node->output(0);
      return true;
    }
    if (readers_[sum].size() != 2) return false;
    for (const size_t i : readers_[sum]) {
      if (i == kOutside || graph_.nodes[i].op_type != "Sigmoid") continue;
      const ValueId sigmoid = graph_.nodes[i].output(0);
      const Node* product = only_reader(sigmoid, at);
      if (product == nullptr || product->op_type != "Mul" || other_input(*product, sigmoid) != sum) continue;
      gate.alpha = 1;
      gate.nodes.insert(gate.nodes.end(), {i, at});
      id = product->output(0);
      return true;
    }
    return false;
  }

  // The gate that product `i` is, with an `up` of the same group.
  std::optional<Gate> gate_of(size_t i, const std::vector<size_t>& group) const {
    Gate gate{i, 0, {}, kNoValue, 1};
    ValueId activated = graph_.nodes[i].output(0);
    if (!follow_activation(activated, gate)) return std::nullopt;
    size_t at = 0;
    const Node* mul = only_reader(activated, at);
    if (mul == nullptr || mul->op_type != "Mul") return std::nullopt;
    const ValueId up = other_input(*mul, activated);
    for (const size_t j : group) {
      const Node& node = graph_.nodes[j];
      if (j == i || node.output(0) != up || readers_[up].size() != 1 || node.i("N", 0) != graph_.nodes[i].i("N", -1))
        continue;
      gate.up = j;
      gate.output = mul->output(0);
      gate.nodes.push_back(at);
      return gate;
    }
    return std::nullopt;
  }

  size_t bindings(const Node& product) const {
    return static_cast<size_t>(
        std::count_if(kMatrixInputs.begin(), kMatrixInputs.end(), [&](size_t i) { return product.has(i); }));
  }

  // How many products of that kind, each with a result of its own, one node may hold.
  size_t most_products(const Node& product, size_t results) const {
    const size_t shared = (product.has(kNormInput) ? 2 : 1) + results;
    const size_t own = bindings(product) + (results == 0 ? 1 : 0);
    return options_.max_bindings < shared ? 0 : std::min(kMostProducts, (options_.max_bindings - shared) / own);
  }

  void join_gate(size_t i) {
    const std::vector<size_t> group = group_of(i);
    if (group.size() < 2 || most_products(graph_.nodes[i], 1) < 2) return;
    const std::optional<Gate> gate = gate_of(i, group);
    if (!gate) return;
    for (const size_t node : gate->nodes) gone_[node] = true;
    Node& joined = replace({gate->gate, gate->up}, {gate->output}, gate->alpha);
    for (const size_t node : gate->nodes) add_sources(joined, graph_.nodes[node]);
  }

  void join_group(size_t first) {
    std::vector<size_t> group = group_of(first);
    if (group.size() < 2) return;
    group.resize(std::min(group.size(), most_products(graph_.nodes[first], 0)));
    if (group.size() < 2) return;
    std::vector<ValueId> outputs;
    for (const size_t i : group) outputs.push_back(graph_.nodes[i].output(0));
    replace(group, std::move(outputs), std::nullopt);
  }

  // Puts one node in the place of the first of the products: all that they read exists there.
  Node& replace(const std::vector<size_t>& products, std::vector<ValueId> outputs, std::optional<float> gate_alpha) {
    const Node& first = graph_.nodes[products[0]];
    Node joined;
    joined.name = first.name;
    joined.domain = kOwn;
    joined.op_type = "JoinedMatMulNBits";
    joined.opset = 1;
    joined.sources = sources_of(first);
    joined.inputs = {first.input(0), first.input(kNormInput)};
    joined.outputs = std::move(outputs);
    for (const std::string_view name : kSharedAttributes) {
      if (const Attribute* attribute = first.find(name)) joined.attributes[name] = *attribute;
    }
    std::vector<int64_t> columns;
    for (const size_t i : products) {
      for (const size_t input : kMatrixInputs) joined.inputs.push_back(graph_.nodes[i].input(input));
      columns.push_back(graph_.nodes[i].i("N", 0));
      add_sources(joined, graph_.nodes[i]);
      gone_[i] = true;
    }
    joined.attributes["N"] = columns;
    joined.attributes["gated"] = int64_t{gate_alpha.has_value()};
    joined.attributes["gate_alpha"] = gate_alpha.value_or(1);
    const size_t place = *std::min_element(products.begin(), products.end());
    graph_.nodes[place] = std::move(joined);
    gone_[place] = false;
    return graph_.nodes[place];
  }

  Graph& graph_;
  const JoinOptions& options_;
  std::vector<std::vector<size_t>> readers_;  // of each value: nodes, once for each time they read it
  std::vector<bool> gone_;
};

}  // namespace

void join_products(Graph& graph, const JoinOptions& options) { Joiner(graph, options).run(); }

}  // namespace sluice::graph
