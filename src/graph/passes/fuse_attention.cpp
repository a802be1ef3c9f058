#include "graph/passes/fuse_attention.h"

#include <algorithm>

#include "graph/passes/uses.h"

namespace sluice::graph {

namespace {

constexpr std::string_view kMs = "com.microsoft";
constexpr std::string_view kOwn = "sluice";

// Inputs of GroupQueryAttention.
constexpr size_t kQuery = 0, kKey = 1, kValue = 2, kQueryNorm = 14, kKeyNorm = 15, kGate = 16;
constexpr int64_t kMaxGatedHead = 256;  // what the attention kernels that know a gate take

class AttentionFuser {
 public:
  explicit AttentionFuser(Graph& graph) : graph_(graph), uses_(count_uses(graph)), producer_(find_producers(graph)) {}

  void run() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!is_attention(graph_.nodes[i])) continue;
      join_norms(graph_.nodes[i]);
      join_split(graph_.nodes[i]);
      join_gate(i);
    }
    std::erase_if(graph_.nodes, [](const Node& node) { return node.op_type.empty(); });
  }

 private:
  static bool is_attention(const Node& node) {
    return (node.domain == kMs || node.domain == kOwn) && node.op_type == "GroupQueryAttention";
  }

  const Shape* shape(ValueId id) const {
    const auto& shape = graph_.values[id].shape;
    return shape && !shape->empty() ? &*shape : nullptr;
  }

  bool alike(ValueId a, ValueId b) const {
    const Value &x = graph_.values[a], &y = graph_.values[b];
    return x.dtype && x.dtype == y.dtype && x.shape && x.shape == y.shape;
  }

  // The elements of the last dimension, 0 where they are not known.
  int64_t width(ValueId id) const {
    const Shape* s = id == kNoValue ? nullptr : shape(id);
    return s != nullptr && s->back().is_constant() ? s->back().value : 0;
  }

  int64_t head_size(const Node& attention) const {
    const int64_t heads = attention.i("num_heads", 0) + (attention.has(kKey) ? 0 : 2 * attention.i("kv_num_heads", 0));
    return heads > 0 ? width(attention.input(kQuery)) / heads : 0;
  }

  // The node of this kind that makes `value`, if nothing else reads that.
  Node* only_source(ValueId value, std::string_view domain, std::string_view op_type) {
    if (value == kNoValue || uses_[value] != 1) return nullptr;
    Node* node = producer_[value];
    return node != nullptr && node->domain == domain && node->op_type == op_type ? node : nullptr;
  }

  // Reshape, norm of each head, Reshape back.
  struct HeadNorm {
    Node *split = nullptr, *norm = nullptr, *join = nullptr;
    explicit operator bool() const { return split != nullptr; }
  };

  HeadNorm head_norm(ValueId value, int64_t head_size) {
    HeadNorm n;
    n.join = only_source(value, "", "Reshape");
    if (n.join == nullptr) return {};
    n.norm = only_source(n.join->input(0), "", "SimplifiedLayerNormalization");
    if (n.norm == nullptr || n.norm->outputs.size() != 1 || n.norm->i("axis", -1) != -1) return {};
    const auto& weight = graph_.values[n.norm->input(1)].constant;
    if (!weight || weight->elements() != head_size || width(n.norm->input(0)) != head_size) return {};
    n.split = only_source(n.norm->input(0), "", "Reshape");
    return n.split != nullptr && alike(n.split->input(0), value) ? n : HeadNorm{};
  }

  static float epsilon(const Node& norm) { return norm.f("epsilon", 1e-5f); }

  void join_norms(Node& attention) {
    if (!attention.has(kKey) || attention.has(kQueryNorm) || attention.has(kKeyNorm)) return;
    const HeadNorm q = head_norm(attention.input(kQuery), head_size(attention));
    const HeadNorm k = head_norm(attention.input(kKey), head_size(attention));
    if (!q || !k || epsilon(*q.norm) != epsilon(*k.norm)) return;
    if (graph_.values[q.norm->input(1)].dtype != graph_.values[k.norm->input(1)].dtype) return;
    attention.inputs.resize(std::max(attention.inputs.size(), kKeyNorm + 1), kNoValue);
    attention.inputs[kQueryNorm] = q.norm->input(1);
    attention.inputs[kKeyNorm] = k.norm->input(1);
    attention.attributes["qk_norm_epsilon"] = epsilon(*q.norm);
    attention.inputs[kQuery] = q.split->input(0);
    attention.inputs[kKey] = k.split->input(0);
    for (const HeadNorm& n : {q, k}) {
      for (const Node* part : {n.split, n.norm, n.join}) add_sources(attention, *part);
      *n.split = *n.norm = *n.join = {};
    }
  }

  // The Split's outputs in order are query, key and value, whole.
  void join_split(Node& attention) {
    Node* split = only_source(attention.input(kQuery), "", "Split");
    if (split == nullptr || split->outputs.size() != 3) return;
    const Shape* whole = shape(split->input(0));
    const int64_t axis = split->i("axis", 0);
    if (whole == nullptr || (axis != -1 && axis != static_cast<int64_t>(whole->size()) - 1)) return;
    for (const size_t part : {kQuery, kKey, kValue}) {
      if (attention.input(part) != split->output(part) || only_source(attention.input(part), "", "Split") != split)
        return;
    }
    const int64_t size = head_size(attention), kv_width = attention.i("kv_num_heads", 0) * size;
    if (width(attention.input(kQuery)) != attention.i("num_heads", 0) * size) return;
    if (width(attention.input(kKey)) != kv_width || width(attention.input(kValue)) != kv_width) return;
    attention.inputs[kQuery] = split->input(0);
    attention.inputs[kKey] = attention.inputs[kValue] = kNoValue;
    add_sources(attention, *split);
    *split = {};
  }

  bool can_gate(const Node& attention) const {
    const auto unread = [this](ValueId id) { return id == kNoValue || is_output_only(id); };
    return !attention.has(kGate) && head_size(attention) <= kMaxGatedHead && attention.i("causal", 1) != 0 &&
           attention.output(3) == kNoValue && unread(attention.output(1)) && unread(attention.output(2));
  }

  bool is_output_only(ValueId id) const {
    const auto outputs = std::count(graph_.outputs.begin(), graph_.outputs.end(), id);
    return uses_[id] == static_cast<uint32_t>(outputs);
  }

  // The attention moves to the place of the Mul, where the gate exists: its caches are read by nobody in between.
  void join_gate(size_t at) {
    Node& attention = graph_.nodes[at];
    const ValueId output = attention.output(0);
    if (output == kNoValue || uses_[output] != 1 || is_output_only(output) || !can_gate(attention)) return;
    const auto mul =
        std::find_if(graph_.nodes.begin() + static_cast<std::ptrdiff_t>(at), graph_.nodes.end(), [&](const Node& node) {
          return node.domain.empty() && node.op_type == "Mul" && (node.input(0) == output || node.input(1) == output);
        });
    if (mul == graph_.nodes.end()) return;
    Node* sigmoid = only_source(mul->input(mul->input(0) == output ? 1 : 0), "", "Sigmoid");
    if (sigmoid == nullptr || !alike(sigmoid->input(0), output)) return;
    Node joined = std::move(attention);
    joined.domain = kOwn;
    joined.inputs.resize(kGate + 1, kNoValue);
    joined.inputs[kGate] = sigmoid->input(0);
    joined.outputs[0] = mul->output(0);
    add_sources(joined, *sigmoid);
    add_sources(joined, *mul);
    attention = {};
    *sigmoid = {};
    *mul = std::move(joined);
  }

  Graph& graph_;
  // Of each value. They hold while nodes are joined: what one reads in another's place is read as often.
  std::vector<uint32_t> uses_;
  std::vector<Node*> producer_;
};

}  // namespace

void fuse_attention(Graph& graph) { AttentionFuser(graph).run(); }

}  // namespace sluice::graph
