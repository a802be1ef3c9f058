#include "graph/passes/fuse_norms.h"

#include <algorithm>

#include "graph/passes/uses.h"

namespace sluice::graph {

namespace {

constexpr std::string_view kSkipNorm = "SkipSimplifiedLayerNormalization";
constexpr size_t kGamma = 2, kInner = 4;  // inputs of a joined node
constexpr size_t kNormed = 0, kSum = 3;   // its outputs

class NormFuser {
 public:
  explicit NormFuser(Graph& graph) : graph_(graph), uses_(count_uses(graph)), producer_(find_producers(graph)) {}

  void run() {
    for (Node& node : graph_.nodes) {
      if (node.op_type == "Add" || is_skip_norm(node)) join_inner(node);
    }
    for (Node& node : graph_.nodes) {
      if (node.domain == "sluice" && node.op_type == kSkipNorm && !node.has(kGamma)) join_next(node);
    }
    std::erase_if(graph_.nodes, [](const Node& node) { return node.op_type.empty(); });
  }

 private:
  static bool is_skip_norm(const Node& node) {
    return node.domain == "com.microsoft" && node.op_type == kSkipNorm && !node.has(3) && node.output(1) == kNoValue &&
           node.output(2) == kNoValue;
  }

  // An RMS norm over the last dimension by a constant weight, with no other output.
  bool is_norm(const Node& node) const {
    if (node.op_type != "SimplifiedLayerNormalization" || node.outputs.size() != 1) return false;
    return node.i("axis", -1) == -1 && node.i("stash_type", 1) == 1 && graph_.values[node.input(1)].constant;
  }

  bool alike(ValueId a, ValueId b) const {
    const Value &x = graph_.values[a], &y = graph_.values[b];
    return x.dtype && x.dtype == y.dtype && x.shape && y.shape && *x.shape == *y.shape;
  }

  // The norm before `value` if nothing else reads it.
  Node* norm_of(ValueId value) {
    Node* node = value == kNoValue ? nullptr : producer_[value];
    return node != nullptr && uses_[value] == 1 && is_norm(*node) ? node : nullptr;
  }

  void join_inner(Node& node) {
    for (const size_t side : {0u, 1u}) {
      Node* norm = norm_of(node.input(side));
      if (norm == nullptr || !alike(node.input(0), node.input(1)) || !alike(norm->input(0), node.input(0))) continue;
      const bool adds_only = node.op_type == "Add";
      if (!adds_only && !alike(norm->input(1), node.input(kGamma))) continue;
      const float epsilon = node.f("epsilon", 1e-12f);
      const ValueId gamma = adds_only ? kNoValue : node.input(kGamma);
      add_sources(node, *norm);
      node.inputs = {norm->input(0), node.input(1 - side), gamma, kNoValue, norm->input(1)};
      if (adds_only) node.outputs = {kNoValue, kNoValue, kNoValue, node.output(0)};
      node.attributes = {{"inner_epsilon", norm->f("epsilon", 1e-5f)}, {"epsilon", epsilon}};
      node.domain = "sluice";
      node.op_type = kSkipNorm;
      node.opset = 1;
      *norm = {};
      return;
    }
  }

  // The first norm of the sum.
  void join_next(Node& joined) {
    const auto behind = graph_.nodes.begin() + (&joined - graph_.nodes.data());
    const auto next = std::find_if(behind, graph_.nodes.end(), [&](const Node& node) {
      return node.input(0) == joined.output(kSum) && is_norm(node) && alike(node.input(1), joined.input(kInner));
    });
    if (next == graph_.nodes.end()) return;
    add_sources(joined, *next);
    joined.inputs[kGamma] = next->input(1);
    joined.attributes["epsilon"] = next->f("epsilon", 1e-5f);
    joined.outputs[kNormed] = next->output(0);
    if (uses_[joined.output(kSum)] == 1) joined.outputs[kSum] = kNoValue;
    *next = {};
  }

  Graph& graph_;
  std::vector<uint32_t> uses_;   // of each value
  std::vector<Node*> producer_;  // of each value
};

}  // namespace

void fuse_norms(Graph& graph) { NormFuser(graph).run(); }

}  // namespace sluice::graph
