// A language model's graph and what its inputs and outputs mean: token ids, mask, positions, logits, and the state (KV
// caches, convolutions) that each step continues. Compiles it for a number of new tokens, without touching a device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "decode/model_files.h"
#include "gpu/caps.h"
#include "graph/graph.h"
#include "graph/infer.h"
#include "lower/lowering.h"

namespace sluice::decode {

// What a step computes besides the new state.
enum class StepKind : uint8_t {
  kStateOnly,   // nothing: a chunk of the prompt that is not the last
  kAllLogits,   // logits of every position
  kLastLogits,  // logits of the last position, to sample from
};

// The step for `rows` new tokens onto caches with room for `capacity`.
struct StepShape {
  uint32_t rows = 1;
  StepKind kind = StepKind::kLastLogits;
  uint32_t capacity = 0;
  bool greedy = false;  // nothing is drawn
  uint32_t length = 0;  // tokens that the caches are expected to hold afterwards, at most; 0: as many as fit
};

// A past input and the present output that continues it.
struct StateInput {
  std::string past, present;
  graph::ValueId input = graph::kNoValue;  // of the graph: the past
  bool grows = false;      // a key or value cache (batch, heads, past, head size): it can be cut, and must grow
  uint32_t head_size = 0;  // of a key or value cache
};

class ModelGraph {
 public:
  // Throws Error if the graph has no token ids or logits.
  ModelGraph(graph::Graph graph, const ModelFiles& files);

  const graph::Graph& graph() const { return graph_; }
  const ModelFiles& files() const { return files_; }
  const std::vector<StateInput>& states() const { return states_; }
  bool has_recurrent_state() const;
  // Decoder layers: those that keep a state.
  uint32_t layers() const { return layers_; }
  // The configuration's, or the length of the rotary tables if that is less.
  std::optional<uint32_t> context_length() const { return files_.context_length; }

  // The graph with all shapes and folded constants for `rows` new tokens, as far as they can be inferred.
  graph::Graph inferred(uint32_t rows) const;

  // `active` is a kU32 tensor of one element: recurrent state is only updated while it is not 0. Obstacles of inference
  // and lowering are in the result.
  lower::Lowered lower(const StepShape& shape, const lower::Tensor& active, const gpu::Caps& caps) const;

 private:
  void find_states();
  void find_context_length();
  void find_head_sizes();
  graph::InferOptions infer_options(const graph::Graph& graph, uint32_t rows) const;

  graph::Graph graph_;
  ModelFiles files_;
  std::vector<StateInput> states_;
  graph::Symbol past_ = 0;
  uint32_t layers_ = 0;
};

}  // namespace sluice::decode
