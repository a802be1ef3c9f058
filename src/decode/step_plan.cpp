#include "decode/step_plan.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/error.h"
#include "kernels/sample/sample.h"
#include "kernels/sample/state.h"
#include "runtime/compile.h"

namespace sluice::decode {

using kernels::Storage;
using kernels::Tensor;

namespace {

constexpr kernels::Slot kFirstScratch = 1u << 26;  // the graph's own begins at 2^24

const Tensor kState{slot_of(LoopSlot::kState), Storage::kU32, {kernels::kDecodeStateWords}};
const Tensor kSettings{slot_of(LoopSlot::kSettings), Storage::kU32, {kernels::kSampleSettingsWords}};
const Tensor kNextId{slot_of(LoopSlot::kNextId), Storage::kI32, {1}};
const Tensor kRing{slot_of(LoopSlot::kRing), Storage::kI32, {kRingSize}};
const Tensor kActive{slot_of(LoopSlot::kActive), Storage::kU32, {1}};

// Derived integers come in two forms: one element, or consecutive ones.
kernels::StepTarget step_target(const lower::SlotInfo& slot) {
  const std::vector<graph::Dim>& elements = slot.derived;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (elements[i].symbol == 0 || elements[i].value != elements[0].value + static_cast<int64_t>(i)) {
      fail("engine", "\"{}\" follows from the number of past tokens in a way that is not supported", slot.name);
    }
  }
  return {.target = slot.tensor,
          .offset = static_cast<int32_t>(elements.at(0).value),
          .kind = kernels::StepTarget::Kind::kIota};
}

void plan_begin(const std::vector<lower::SlotInfo>& slots, bool has_recurrent_state, kernels::Recorder& recorder) {
  kernels::BeginStepProblem begin{.state = kState, .targets = {}};
  for (const lower::SlotInfo& slot : slots) {
    if (slot.kind == lower::SlotKind::kDerived) begin.targets.push_back(step_target(slot));
  }
  if (has_recurrent_state) {
    begin.targets.push_back(
        {.target = {kActive.slot, Storage::kI32, {1}}, .offset = 0, .kind = kernels::StepTarget::Kind::kActive});
  }
  kernels::plan_begin_step(begin, recorder);
}

Tensor history_of(const Tensor& logits) { return {slot_of(LoopSlot::kHistory), Storage::kU32, {logits.last()}}; }

void add_slot(StepPlan& plan, const Tensor& tensor, lower::SlotKind kind, const char* name) {
  plan.slots.push_back({.slot = tensor.slot,
                        .kind = kind,
                        .tensor = tensor,
                        .name = name,
                        .constant = nullptr,
                        .derived = {},
                        .value = graph::kNoValue});
}

void add_loop_slots(StepPlan& plan, const kernels::Recorder& recorder) {
  for (const Tensor& tensor : recorder.scratch_tensors())
    add_slot(plan, tensor, lower::SlotKind::kIntermediate, "scratch");
  for (const auto& [tensor, name] : {std::pair(kState, "decode state"),
                                     {kSettings, "sample settings"},
                                     {kNextId, "next id"},
                                     {kRing, "sampled ids"},
                                     {kActive, "active"}}) {
    add_slot(plan, tensor, lower::SlotKind::kInput, name);
  }
  if (plan.logits) add_slot(plan, history_of(plan.logits), lower::SlotKind::kInput, "token history");
}

template <class T>
void append(std::vector<T> from, std::vector<T>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

// Puts the step's own dispatches around the graph's.
void surround(StepPlan& plan, lower::Lowered& lowered, const StepShape& shape, const ModelGraph& model,
              const gpu::Caps& caps) {
  kernels::Recorder recorder(caps, kFirstScratch);
  plan_begin(plan.slots, model.has_recurrent_state(), recorder);
  plan.nodes.assign(recorder.dispatches().size(), "begin step");
  plan.sources.resize(recorder.dispatches().size());
  append(std::move(lowered.dispatches), recorder.dispatches());
  append(std::move(lowered.nodes), plan.nodes);
  append(std::move(lowered.sources), plan.sources);
  kernels::plan_end_step({.state = kState, .tokens = shape.rows}, recorder);
  plan.nodes.resize(recorder.dispatches().size(), "end step");
  if (shape.kind == StepKind::kLastLogits) {
    kernels::plan_sample({.logits = plan.logits,
                          .settings = kSettings,
                          .state = kState,
                          .history = history_of(plan.logits),
                          .next_ids = kNextId,
                          .ring = kRing,
                          .greedy = shape.greedy},
                         recorder);
    plan.nodes.resize(recorder.dispatches().size(), "sample");
  }
  plan.sources.resize(plan.nodes.size());
  add_loop_slots(plan, recorder);
  plan.dispatches = std::move(recorder.dispatches());
}

// Adds the chunk's step, obstacles and the sum to a plan of the token's step.
void plan_chunk(const ModelGraph& model, uint32_t context, const gpu::Caps& caps, ModelPlan& plan) {
  plan.chunk = plan_step(model, {plan.rows, StepKind::kLastLogits, std::max(plan.rows, context)}, caps);
  plan.obstacles = plan.token.obstacles;
  for (const std::string& line : plan.chunk.obstacles) {
    if (std::find(plan.obstacles.begin(), plan.obstacles.end(), line) == plan.obstacles.end())
      plan.obstacles.push_back(line);
  }
  if (plan.obstacles.empty())
    plan.need = runtime::memory_need(std::array{plan.chunk.shape(), plan.token.shape()}, caps);
}

bool is_too_long(const ModelPlan& plan, uint64_t memory) {
  if (!plan.obstacles.empty()) return plan.token.obstacles.empty();
  return memory != 0 && plan.need.total() > memory;
}

}  // namespace

StepPlan plan_step(const ModelGraph& model, const StepShape& shape, const gpu::Caps& caps) {
  lower::Lowered lowered = model.lower(shape, kActive, caps);
  StepPlan plan;
  plan.obstacles = std::move(lowered.obstacles);
  const auto beyond = runtime::check_limits(lowered.dispatches, lowered.slots, caps);
  plan.obstacles.insert(plan.obstacles.end(), beyond.begin(), beyond.end());
  if (!plan.obstacles.empty()) return plan;
  plan.slots = std::move(lowered.slots);
  plan.input_ids = lowered.inputs.at(model.files().input_ids);
  if (shape.kind != StepKind::kStateOnly) plan.logits = lowered.outputs.at(model.files().logits);
  for (const StateInput& state : model.states()) plan.states.push_back(lowered.inputs.at(state.past));
  surround(plan, lowered, shape, model, caps);
  return plan;
}

ModelPlan plan_model(const ModelGraph& model, const ModelShape& shape, const gpu::Caps& caps) {
  constexpr uint32_t kShort = 512;  // shorter chunks save little
  ModelPlan plan;
  plan.rows = shape.chunk;
  plan.token = plan_step(model, {1, StepKind::kLastLogits, shape.context, true}, caps);
  plan_chunk(model, shape.context, caps, plan);
  while (plan.rows > kShort && is_too_long(plan, shape.memory)) {
    plan.rows = std::max(kShort, plan.rows / 2);
    plan_chunk(model, shape.context, caps, plan);
  }
  return plan;
}

}  // namespace sluice::decode
