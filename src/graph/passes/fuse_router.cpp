#include "graph/passes/fuse_router.h"

#include <algorithm>
#include <optional>

#include "graph/content.h"
#include "graph/infer.h"
#include "graph/passes/uses.h"

namespace sluice::graph {

namespace {

constexpr size_t kRouterInput = 1, kRouterWeights = 14, kScoreBias = 17;
constexpr double kLowest = -1000;  // the fill must not be above it

struct Router {
  ValueId logits = kNoValue, scores = kNoValue, indices = kNoValue;
  ValueId bias = kNoValue;
  float least = 0;
};

// A factor of the experts' sum.
struct Factor {
  float scale = 1, epsilon = 0;
};

class RouterFuser {
 public:
  explicit RouterFuser(Graph& graph) : graph_(graph), producer_(find_producers(graph)), uses_(count_uses(graph)) {}

  void run() {
    for (Node& node : graph_.nodes) {
      if (node.op_type == "QMoE" && node.domain == "com.microsoft") join(node);
    }
    remove_dead_nodes(graph_);
  }

 private:
  void join(Node& moe) {
    const std::optional<Router> router = match_router(moe);
    Node joined = moe;
    if (router) {
      joined.inputs.resize(std::max(joined.inputs.size(), kScoreBias + 1), kNoValue);
      joined.inputs[kRouterInput] = router->logits;
      joined.inputs[kScoreBias] = router->bias;
      joined.attributes["sigmoid_router"] = int64_t{1};
      joined.attributes["score_type"] = static_cast<int64_t>(*graph_.values[router->scores].dtype);
      joined.attributes["least_score"] = router->least;
      absorb(joined, moe.input(kRouterInput), router->logits);
    }
    Node* mul = scaling(moe);
    const std::optional<Factor> factor = mul != nullptr ? match_factor(*mul, moe.output(0), router) : std::nullopt;
    if (factor) {
      joined.attributes["output_scale"] = factor->scale;
      joined.attributes["score_epsilon"] = factor->epsilon;
      joined.outputs[0] = mul->output(0);
      add_sources(joined, *mul);
    }
    if (!router && !factor) return;
    joined.domain = "sluice";
    if (factor) mul->outputs = {};
    moe = std::move(joined);
  }

  // Every node on the way from `logits` to `value`.
  void absorb(Node& joined, ValueId value, ValueId logits) const {
    const Node* node = value == kNoValue || value == logits ? nullptr : producer_[value];
    if (node == nullptr) return;
    for (const ValueId id : node->inputs) absorb(joined, id, logits);
    add_sources(joined, *node);
  }

  const Node* made_by(ValueId id, std::string_view op_type) const {
    const Node* node = id == kNoValue ? nullptr : producer_[id];
    return node != nullptr && node->domain.empty() && node->op_type == op_type ? node : nullptr;
  }

  const Shape& shape(ValueId id) const { return *graph_.values[id].shape; }

  // The value before Reshapes that keep the last dimension, and before Casts between floats.
  ValueId before_views(ValueId id) const {
    for (;;) {
      const Node* node = made_by(id, "Reshape");
      if (node == nullptr) node = made_by(id, "Cast");
      if (node == nullptr) return id;
      const Value &from = graph_.values[node->input(0)], &to = graph_.values[id];
      const bool floats = is_float(*from.dtype) && is_float(*to.dtype);
      if (!floats || from.shape->empty() || to.shape->empty() || from.shape->back() != to.shape->back()) return id;
      id = node->input(0);
    }
  }

  static bool is_float(DType type) { return type == DType::kFloat || type == DType::kFloat16; }

  // Of a tensor whose elements are all the same number.
  std::optional<double> number(const Constant& constant) const {
    const auto content = decode(constant);
    if (!content || content->floats.empty()) return std::nullopt;
    const double first = content->floats[0];
    const auto same = [first](double v) { return v == first; };
    return std::all_of(content->floats.begin(), content->floats.end(), same) ? std::optional(first) : std::nullopt;
  }

  std::optional<double> number(ValueId id) const {
    if (id == kNoValue || !graph_.values[id].constant) return std::nullopt;
    return number(*graph_.values[id].constant);
  }

  bool is_number(ValueId id, double wanted) const { return number(id) == wanted; }

  std::optional<double> filled_with(ValueId id) const {
    if (graph_.values[id].constant) return number(id);
    if (const Node* expand = made_by(id, "Expand")) return number(expand->input(0));
    const Node* made = made_by(id, "ConstantOfShape");
    const Attribute* value = made != nullptr ? made->find("value") : nullptr;
    const Constant* constant = value != nullptr ? std::get_if<Constant>(value) : nullptr;
    return constant != nullptr ? number(*constant) : std::nullopt;
  }

  bool along_rows(const Node& node, int64_t otherwise) const {
    const int64_t axis = node.i("axis", otherwise);
    return axis == -1 || axis + 1 == static_cast<int64_t>(shape(node.input(0)).size());
  }

  // A binary node's other input where one of them is `number`.
  ValueId other_than(const Node& node, double wanted) const {
    if (is_number(node.input(1), wanted)) return node.input(0);
    return is_number(node.input(0), wanted) ? node.input(1) : kNoValue;
  }

  // The logits whose sigmoids `scores` are, as they were before Reshapes and Casts.
  ValueId logits_of(ValueId scores) const {
    if (const Node* sigmoid = made_by(scores, "Sigmoid")) return before_views(sigmoid->input(0));
    const Node* reciprocal = made_by(scores, "Reciprocal");
    const Node* sum = reciprocal != nullptr ? made_by(reciprocal->input(0), "Add") : nullptr;
    const Node* power = sum != nullptr ? made_by(other_than(*sum, 1), "Exp") : nullptr;
    const Node* negated = power != nullptr ? made_by(power->input(0), "Neg") : nullptr;
    return negated != nullptr ? before_views(negated->input(0)) : kNoValue;
  }

  bool is_bias(ValueId bias, ValueId scores) const {
    const auto& constant = graph_.values[bias].constant;
    return constant && constant->dtype == *graph_.values[scores].dtype && !constant->shape.empty() &&
           Dim{constant->shape.back(), 0} == shape(scores).back() && constant->elements() == constant->shape.back();
  }

  bool match_choice(ValueId choice, Router& router) const {
    router.scores = before_views(choice);
    if (const Node* add = made_by(choice, "Add"); add != nullptr && !made_by(choice, "Reciprocal")) {
      const size_t side = is_bias(add->input(1), add->input(0)) ? 0 : 1;
      if (!is_bias(add->input(1 - side), add->input(side))) return false;
      router.scores = add->input(side);
      router.bias = add->input(1 - side);
    }
    router.logits = logits_of(router.scores);
    return router.logits != kNoValue;
  }

  const Node* gather_of(ValueId id, ValueId indices) const {
    const Node* gather = made_by(id, "GatherElements");
    return gather != nullptr && gather->input(1) == indices && along_rows(*gather, 0) ? gather : nullptr;
  }

  bool match_softplus(ValueId logs, const Router& router) const {
    const Node* outer = made_by(logs, "Neg");
    const Node* softplus = outer != nullptr ? made_by(outer->input(0), "Softplus") : nullptr;
    const Node* inner = softplus != nullptr ? made_by(softplus->input(0), "Neg") : nullptr;
    const Node* gather = inner != nullptr ? gather_of(inner->input(0), router.indices) : nullptr;
    return gather != nullptr && before_views(gather->input(0)) == router.logits;
  }

  bool match_log(ValueId logs, Router& router) const {
    const Node* log = made_by(logs, "Log");
    if (log == nullptr) return false;
    ValueId picked = log->input(0);
    if (const Node* clip = made_by(picked, "Clip")) {
      const std::optional<double> least = number(clip->input(1));
      if (!least || *least < 0 || clip->has(2)) return false;
      router.least = static_cast<float>(*least);
      picked = clip->input(0);
    }
    const Node* gather = gather_of(picked, router.indices);
    return gather != nullptr && gather->input(0) == router.scores;
  }

  std::optional<Router> match_router(const Node& moe) const {
    if (moe.has(kRouterWeights) || moe.i("use_sparse_mixer", 0) != 0) return std::nullopt;
    const Node* scatter = made_by(before_views(moe.input(kRouterInput)), "ScatterElements");
    if (scatter == nullptr || scatter->s("reduction", "none") != "none" || !along_rows(*scatter, 0))
      return std::nullopt;
    const std::optional<double> fill = filled_with(scatter->input(0));
    const Node* top = made_by(scatter->input(1), "TopK");
    if (!fill || *fill > kLowest || top == nullptr || !is_choice_of(*top, moe)) return std::nullopt;
    Router router{.indices = top->output(1)};
    if (scatter->input(1) != router.indices || !match_choice(top->input(0), router)) return std::nullopt;
    if (!match_softplus(scatter->input(2), router) && !match_log(scatter->input(2), router)) return std::nullopt;
    return router;
  }

  bool is_choice_of(const Node& top, const Node& moe) const {
    const int64_t experts = moe.i("k", 1);
    const Shape& chosen = shape(top.output(1));
    return along_rows(top, -1) && top.i("largest", 1) == 1 && chosen.back() == Dim{experts, 0};
  }

  // The Mul that alone reads the output.
  Node* scaling(const Node& moe) {
    const ValueId output = moe.output(0);
    if (uses_[output] != 1) return nullptr;
    const auto behind = graph_.nodes.begin() + (&moe - graph_.nodes.data());
    const auto found = std::find_if(behind, graph_.nodes.end(), [output](const Node& node) {
      return (node.input(0) == output || node.input(1) == output) && node.op_type == "Mul" && node.domain.empty();
    });
    return found == graph_.nodes.end() ? nullptr : &*found;
  }

  std::optional<Factor> match_factor(const Node& mul, ValueId output, const std::optional<Router>& router) const {
    const ValueId other = mul.input(mul.input(0) == output ? 1 : 0);
    if (shape(mul.output(0)) != shape(output)) return std::nullopt;
    if (const auto scale = number(other); scale && graph_.values[other].constant->elements() == 1)
      return Factor{.scale = static_cast<float>(*scale)};
    return router ? match_ratio(other, *router) : std::nullopt;
  }

  // total / (total + epsilon) of the chosen scores.
  std::optional<Factor> match_ratio(ValueId id, const Router& router) const {
    const Node* ratio = made_by(before_views(id), "Div");
    const Node* total = ratio != nullptr ? made_by(ratio->input(0), "ReduceSum") : nullptr;
    const Node* padded = total != nullptr ? made_by(ratio->input(1), "Add") : nullptr;
    if (padded == nullptr || padded->input(0) != total->output(0)) return std::nullopt;
    const std::optional<double> epsilon = number(padded->input(1));
    const Node* gather = gather_of(total->input(0), router.indices);
    if (!epsilon || *epsilon < 0 || gather == nullptr || gather->input(0) != router.scores || !sums_rows(*total))
      return std::nullopt;
    return Factor{.epsilon = static_cast<float>(*epsilon)};
  }

  bool sums_rows(const Node& sum) const {
    const Value* axes = sum.has(1) ? &graph_.values[sum.input(1)] : nullptr;
    if (axes == nullptr || !axes->known || axes->known->size() != 1 || sum.i("keepdims", 1) != 1) return false;
    const int64_t axis = (*axes->known)[0].value;
    return axis == -1 || axis + 1 == static_cast<int64_t>(shape(sum.input(0)).size());
  }

  Graph& graph_;
  std::vector<Node*> producer_;
  std::vector<uint32_t> uses_;
};

}  // namespace

void fuse_routers(Graph& graph) { RouterFuser(graph).run(); }

}  // namespace sluice::graph
