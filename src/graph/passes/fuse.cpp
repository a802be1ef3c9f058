#include "graph/passes/fuse.h"

#include <algorithm>

#include "graph/passes/uses.h"

namespace sluice::graph {

namespace {

constexpr std::string_view kMs = "com.microsoft";
constexpr std::string_view kOwn = "sluice";

bool is_product(const Node& node) {
  return (node.domain == kMs || node.domain == kOwn) && (node.op_type == "MatMulNBits" || node.op_type == "QMoE");
}

bool is_norm(const Node& node) {
  return node.op_type == "SimplifiedLayerNormalization" && node.outputs.size() == 1 && node.i("axis", -1) == -1;
}

constexpr size_t kBiasInput = 5;  // of MatMulNBits
size_t residual_input(const Node& product) { return product.op_type == "QMoE" ? 15 : 6; }
size_t norm_input(const Node& product) { return product.op_type == "MatMul" ? 2 : residual_input(product) + 1; }

Node with_input(Node product, size_t i, ValueId value) {
  product.domain = kOwn;
  product.inputs.resize(std::max(product.inputs.size(), i + 1), kNoValue);
  product.inputs[i] = value;
  return product;
}

class Fuser {
 public:
  Fuser(Graph& graph, const FuseOptions& options) : graph_(graph), options_(options) {}

  void run() {
    begin_walk();
    for (Node& node : graph_.nodes) {
      if (!(node.op_type == "Add" && join_add(node)) && !(is_skip_norm(node) && join_skip(node)))
        append(std::move(node));
    }
    replace_nodes();
    for (Node& node : graph_.nodes) {
      if (!is_norm(node) || !join_norm(node)) append(std::move(node));
    }
    replace_nodes();
  }

 private:
  static bool is_skip_norm(const Node& node) {
    return node.domain == kMs && node.op_type == "SkipSimplifiedLayerNormalization" && !node.has(3) &&
           node.output(1) == kNoValue && node.output(2) == kNoValue;
  }

  void begin_walk() {
    uses_ = count_uses(graph_);
    producer_.assign(graph_.values.size(), kNone);
  }

  void append(Node node) {
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) producer_[id] = result_.size();
    }
    result_.push_back(std::move(node));
  }

  // The node before `value` if it is a product whose output nothing else reads, else null.
  Node* product_of(ValueId value) {
    if (value == kNoValue || producer_[value] == kNone || uses_[value] != 1) return nullptr;
    Node& node = result_[producer_[value]];
    return is_product(node) && !node.has(residual_input(node)) ? &node : nullptr;
  }

  // Puts the product, which was removed from its place, here: where all of its inputs exist.
  void move_here(Node product, ValueId output) {
    producer_[product.outputs[0]] = kNone;
    product.outputs[0] = output;
    append(std::move(product));
  }

  bool same_type(ValueId a, ValueId b) const {
    const Value &x = graph_.values[a], &y = graph_.values[b];
    return x.dtype && x.dtype == y.dtype && x.shape && y.shape;
  }

  bool same_shape(ValueId a, ValueId b) const {
    return same_type(a, b) && *graph_.values[a].shape == *graph_.values[b].shape;
  }

  bool is_bias(const Node& product, ValueId value, ValueId output) const {
    const auto& constant = graph_.values[value].constant;
    if (product.op_type != "MatMulNBits" || product.has(kBiasInput) || !constant || !same_type(value, output))
      return false;
    const int64_t n = product.i("N", 0);
    return constant->elements() == n && !constant->shape.empty() && constant->shape.back() == n &&
           constant->shape.size() <= graph_.values[output].shape->size();
  }

  bool join_add(const Node& add) {
    for (const size_t side : {0u, 1u}) {
      Node* product = product_of(add.input(side));
      if (product == nullptr) continue;
      const ValueId output = add.input(side), other = add.input(1 - side);
      const bool bias = is_bias(*product, other, output);
      if (!bias && !same_shape(other, output)) continue;
      Node joined = with_input(std::move(*product), bias ? kBiasInput : residual_input(*product), other);
      *product = {};
      add_sources(joined, add);
      move_here(std::move(joined), add.output(0));
      return true;
    }
    return false;
  }

  bool join_skip(const Node& skip) {
    for (const size_t side : {0u, 1u}) {
      Node* product = product_of(skip.input(side));
      if (product == nullptr || !same_shape(skip.input(0), skip.input(1))) continue;
      Node norm = skip;
      Node joined = with_input(std::move(*product), residual_input(*product), skip.input(1 - side));
      *product = {};
      add_sources(joined, skip);
      const ValueId sum = skip.output(3) != kNoValue ? skip.output(3) : add_like(skip.input(side), skip.name + "/sum");
      ++uses_[sum];
      move_here(std::move(joined), sum);
      norm.sources = sources_of(skip);
      norm.domain.clear();
      norm.opset = graph_.opsets.contains("") ? graph_.opsets.at("") : 1;
      norm.op_type = "SimplifiedLayerNormalization";
      norm.inputs = {sum, skip.input(2)};
      norm.outputs = {skip.output(0)};
      norm.attributes = {{"epsilon", skip.f("epsilon", 1e-12f)}};
      if (norm.outputs[0] != kNoValue) append(std::move(norm));
      return true;
    }
    return false;
  }

  ValueId add_like(ValueId value, std::string name) {
    Value sum = graph_.values[value];
    sum.name = std::move(name);
    uses_.push_back(0);
    producer_.push_back(kNone);
    return graph_.add_value(std::move(sum));
  }

  bool is_one_row(ValueId value) const {
    const auto& shape = graph_.values[value].shape;
    if (!shape || shape->empty() || !shape->back().is_constant() || shape->back().value > options_.max_norm_width)
      return false;
    return std::all_of(shape->begin(), shape->end() - 1, [](const Dim& d) { return d == Dim{1, 0}; });
  }

  // QMoE with zero points and with router_weights or a selection bias binds as many tensors as a device must allow.
  bool takes_norm(const Node& node) const {
    if (node.op_type == "QMoE") return is_product(node) && !(node.has(11) && (node.has(14) || node.has(17)));
    if (node.op_type != "MatMul" || !node.domain.empty()) return is_product(node);
    const auto& b = graph_.values[node.input(1)].shape;
    return b && b->size() == 2;
  }

  // The products that read a norm lie behind it, in the list that is still to be walked.
  bool join_norm(const Node& norm) {
    const ValueId normed = norm.output(0);
    if (!is_one_row(normed) || !graph_.values[norm.input(1)].constant) return false;
    std::vector<Node*> readers;
    uint32_t reads = 0;
    for (auto node = graph_.nodes.begin() + (&norm - graph_.nodes.data()); node != graph_.nodes.end(); ++node) {
      if (node->input(0) != normed || !takes_norm(*node)) continue;
      readers.push_back(&*node);
      reads += static_cast<uint32_t>(std::count(node->inputs.begin(), node->inputs.end(), normed));
    }
    if (readers.empty() || reads != readers.size() || reads != uses_[normed]) return false;
    for (Node* reader : readers) {
      *reader = with_input(std::move(*reader), norm_input(*reader), norm.input(1));
      reader->inputs[0] = norm.input(0);
      add_sources(*reader, norm);
      reader->attributes["norm_epsilon"] = norm.f("epsilon", 1e-5f);
    }
    return true;
  }

  void replace_nodes() {
    std::erase_if(result_, [](const Node& node) { return node.op_type.empty(); });
    graph_.nodes = std::move(result_);
    result_.clear();
    begin_walk();
  }

  static constexpr size_t kNone = ~size_t{0};
  Graph& graph_;
  const FuseOptions& options_;
  std::vector<Node> result_;
  std::vector<uint32_t> uses_;    // of each value
  std::vector<size_t> producer_;  // of each value: index in result_
};

}  // namespace

void fuse(Graph& graph, const FuseOptions& options) { Fuser(graph, options).run(); }

}  // namespace sluice::graph
