#include "kernels/sample/state.h"

#include <algorithm>

namespace sluice::kernels {
namespace {

constexpr size_t kTargets = 7;  // of one dispatch: storage bindings but the state's
constexpr uint32_t kWorkgroup = 64;

struct alignas(16) BeginParams {
  uint32_t counts[8];
  int32_t offsets[8];
  uint32_t kinds[8];  // StepTarget::Kind
};
static_assert(sizeof(BeginParams) == 96);

struct alignas(16) EndParams {
  uint32_t tokens, pad[3];
};

void check_state(const Tensor& state, const char* tag) {
  if (state.storage != Storage::kU32 || state.elements() != kDecodeStateWords) {
    fail(tag, "state must be {} unsigned words, got {} elements", kDecodeStateWords, state.elements());
  }
}

void check_targets(const BeginStepProblem& problem) {
  std::vector<Slot> slots{problem.state.slot};
  for (const StepTarget& target : problem.targets) {
    if (target.target.storage != Storage::kI32) fail("begin_step", "targets must be integers");
    if (target.target.elements() > 0xffffffffu) fail("begin_step", "a target is beyond 2^32 - 1 elements");
    if (std::count(slots.begin(), slots.end(), target.target.slot) != 0) {
      fail("begin_step", "every target needs a storage of its own");
    }
    slots.push_back(target.target.slot);
  }
}

}  // namespace

void plan_begin_step(const BeginStepProblem& problem, Recorder& recorder) {
  check_state(problem.state, "begin_step");
  check_targets(problem);
  for (size_t first = 0; first < problem.targets.size(); first += kTargets) {
    const size_t count = std::min(kTargets, problem.targets.size() - first);
    BeginParams params{};
    Dispatch dispatch;
    dispatch.name = "begin_step";
    dispatch.shader = {"kernels/sample/begin_step.wgsl",
                       {{"WG", kWorkgroup}, {"TARGETS", static_cast<uint32_t>(count)}}};
    dispatch.operands = {in(problem.state)};
    for (size_t k = 0; k < kTargets; ++k) {
      dispatch.shader.defines.emplace_back(fmt::format("HAS{}", k), k < count ? 1u : 0u);
      if (k >= count) continue;
      const StepTarget& target = problem.targets[first + k];
      params.counts[k] = static_cast<uint32_t>(target.target.elements());
      params.offsets[k] = target.offset;
      params.kinds[k] = static_cast<uint32_t>(target.kind);
      dispatch.operands.push_back(out(target.target));
    }
    dispatch.set_uniforms(params);
    recorder.add(std::move(dispatch));
  }
}

void plan_end_step(const EndStepProblem& problem, Recorder& recorder) {
  check_state(problem.state, "end_step");
  Dispatch dispatch;
  dispatch.name = "end_step";
  dispatch.shader = {"kernels/sample/end_step.wgsl", {}};
  dispatch.operands = {out(problem.state)};
  dispatch.set_uniforms(EndParams{problem.tokens, {}});
  recorder.add(std::move(dispatch));
}

}  // namespace sluice::kernels
