#include "decode/model_graph.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "graph/passes/last_logits.h"
#include "runtime/compile.h"

namespace sluice::decode {

ModelGraph::ModelGraph(graph::Graph graph, const ModelFiles& files) : graph_(std::move(graph)), files_(files) {
  past_ = graph_.symbol("past_length");
  find_states();
  find_context_length();
  find_head_sizes();
}

bool ModelGraph::has_recurrent_state() const {
  return std::any_of(states_.begin(), states_.end(), [](const StateInput& s) { return !s.grows; });
}

// Pairs past inputs with present outputs by the patterns of the model's configuration, and learns which of them grow.
void ModelGraph::find_states() {
  std::vector<std::string> obstacles;
  std::set<uint32_t> layers;
  for (const graph::ValueId id : graph_.inputs) {
    const std::string& name = graph_.values[id].name;
    for (const auto& [past, present] : files_.state) {
      const auto layer = match_pattern(past, name);
      if (!layer) continue;
      const std::string output = fill_pattern(present, *layer);
      const bool exists = std::any_of(graph_.outputs.begin(), graph_.outputs.end(),
                                      [&](graph::ValueId o) { return graph_.values[o].name == output; });
      if (!exists) continue;
      states_.push_back({.past = name, .present = output, .input = id, .grows = false, .head_size = 0});
      layers.insert(*layer);
      break;
    }
  }
  for (const auto& [name, what] : {std::pair(files_.input_ids, "input"), std::pair(files_.logits, "output")}) {
    const graph::ValueId id = graph_.find(name);
    const auto& list = std::string_view(what) == "input" ? graph_.inputs : graph_.outputs;
    if (std::find(list.begin(), list.end(), id) == list.end())
      obstacles.push_back(fmt::format("the graph has no {} \"{}\"", what, name));
  }
  runtime::throw_obstacles("no language model", obstacles);
  layers_ = static_cast<uint32_t>(layers.size());
  for (const graph::Node& node : graph_.nodes) {
    if (node.op_type != "GroupQueryAttention") continue;
    for (StateInput& state : states_) {
      state.grows = state.grows || node.input(3) == state.input || node.input(4) == state.input;
    }
  }
}

// The rotary tables end at the context length, whatever the configuration says.
void ModelGraph::find_context_length() {
  for (const graph::Node& node : graph_.nodes) {
    const graph::ValueId cos = node.op_type == "GroupQueryAttention" ? node.input(7) : graph::kNoValue;
    if (cos == graph::kNoValue || !graph_.values[cos].constant || graph_.values[cos].constant->shape.empty()) continue;
    const auto rows = static_cast<uint32_t>(graph_.values[cos].constant->shape[0]);
    files_.context_length = std::min(files_.context_length.value_or(rows), rows);
  }
}

// onnxruntime-genai leaves the head size of its caches symbolic: it follows from the width of the attention's query.
void ModelGraph::find_head_sizes() {
  const graph::Graph g = inferred(1);  // obstacles are reported by the compilation that follows
  for (const graph::Node& node : g.nodes) {
    if (node.op_type != "GroupQueryAttention" || !node.has(0)) continue;
    const auto& query = g.values[node.input(0)].shape;
    const int64_t heads = node.i("num_heads", 0) + (node.has(1) ? 0 : 2 * node.i("kv_num_heads", 0));
    if (!query || query->empty() || heads <= 0) continue;
    for (StateInput& state : states_) {
      if (node.input(3) == state.input || node.input(4) == state.input)
        state.head_size = static_cast<uint32_t>(query->back().value / heads);
    }
  }
}

graph::Graph ModelGraph::inferred(uint32_t rows) const {
  graph::Graph g = graph_;
  graph::infer(g, infer_options(g, rows));
  return g;
}

graph::InferOptions ModelGraph::infer_options(const graph::Graph& g, uint32_t rows) const {
  graph::InferOptions options;
  options.ones = {files_.attention_mask};
  for (const graph::ValueId id : g.inputs) {
    const std::string& name = g.values[id].name;
    if (name == files_.input_ids || name == files_.position_ids) options.inputs.push_back({name, {{1, 0}, {rows, 0}}});
    if (name == files_.attention_mask) options.inputs.push_back({name, {{1, 0}, {rows, past_}}});
  }
  for (const StateInput& state : states_) {
    graph::Shape shape = g.values[state.input].shape.value_or(graph::Shape{});
    if (!shape.empty()) shape[0] = {1, 0};
    if (state.grows && shape.size() == 4) {
      shape[2] = {0, past_};
      if (!shape[3].is_constant() && state.head_size != 0) shape[3] = {state.head_size, 0};
    }
    options.inputs.push_back({state.past, std::move(shape)});
  }
  return options;
}

lower::Lowered ModelGraph::lower(const StepShape& shape, const lower::Tensor& active, const gpu::Caps& caps) const {
  graph::Graph g = graph_;
  if (shape.kind == StepKind::kStateOnly)
    std::erase_if(g.outputs, [&](graph::ValueId id) { return g.values[id].name == files_.logits; });
  if (shape.kind == StepKind::kLastLogits && shape.rows > 1) graph::keep_last_logits(g, files_.logits);
  lower::Lowered lowered;
  lowered.obstacles = graph::infer(g, infer_options(g, shape.rows));
  if (!lowered.obstacles.empty()) return lowered;
  graph::remove_dead_nodes(g);
  lower::fuse(g, caps);
  lower::Binding binding;
  for (const StateInput& state : states_) binding.shared[state.present] = state.past;
  binding.capacity = shape.capacity;
  binding.length = shape.length;
  binding.past = past_;
  binding.positions = {files_.position_ids};
  binding.folded = {files_.attention_mask};
  binding.active = active;
  return lower::lower(g, binding, caps);
}

}  // namespace sluice::decode
