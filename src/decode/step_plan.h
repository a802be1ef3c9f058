// One step of the token loop as a flat list of dispatches: what follows from the past length before the graph; the new
// length and the sampler after it. Pure: nothing here touches a device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "decode/model_graph.h"
#include "runtime/memory_need.h"

namespace sluice::decode {

inline constexpr uint32_t kRingSize = 64;

// Slots of the token loop's own buffers, apart from those of values (from 1) and of scratch (from 2^24 and 2^26).
enum class LoopSlot : kernels::Slot { kState = 1u << 28, kSettings, kHistory, kNextId, kRing, kActive };
constexpr kernels::Slot slot_of(LoopSlot slot) { return static_cast<kernels::Slot>(slot); }

struct StepPlan {
  std::vector<kernels::Dispatch> dispatches;
  std::vector<std::string> nodes;                 // of each dispatch
  std::vector<std::vector<std::string>> sources;  // of each dispatch; none: it is the loop's own
  std::vector<lower::SlotInfo> slots;             // the loop's own too
  kernels::Tensor input_ids, logits;              // no logits with StepKind::kStateOnly
  std::vector<kernels::Tensor> states;            // of ModelGraph::states(), by index
  std::vector<std::string> obstacles;             // one line each; the rest is only valid if there are none

  runtime::ProgramShape shape() const { return {dispatches, slots}; }
};

StepPlan plan_step(const ModelGraph& model, const StepShape& shape, const gpu::Caps& caps);

// What a model is planned for: chunks of up to `chunk` tokens of a prompt (at least 1), onto caches for `context`
// tokens or for a chunk, if that is more; `memory` is the device's, in bytes, 0 if unknown.
struct ModelShape {
  uint32_t chunk = 1, context = 1;
  uint64_t memory = 0;
};

// A greedy one-token step onto caches for the context, and the step of a chunk. Where a long chunk's activations are
// over the device's limits or memory, the chunk is a shorter one.
struct ModelPlan {
  StepPlan token, chunk;
  uint32_t rows = 0;  // tokens of the chunk
  runtime::MemoryNeed need;
  std::vector<std::string> obstacles;  // of both
};
ModelPlan plan_model(const ModelGraph& model, const ModelShape& shape, const gpu::Caps& caps);

}  // namespace sluice::decode
