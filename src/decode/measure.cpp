#include "decode/measure.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "runtime/pass_timer.h"

namespace sluice::decode {

using runtime::Clock;
using runtime::MeasuredPhase;
using runtime::microseconds_since;
using runtime::PassTimes;
using runtime::Timing;

class Meter {
 public:
  Meter(gpu::Device& device, Engine& engine, const MeasureOptions& options)
      : device_(device), engine_(engine), options_(options) {}

  MeasuredPhase prefill() {
    std::vector<Pass> passes;
    const auto length = static_cast<uint32_t>(options_.prompt.size());
    for (uint32_t past = 0; past < length; past += engine_.options_.chunk) {
      const uint32_t rows = std::min(engine_.options_.chunk, length - past);
      passes.push_back({rows, past + rows == length ? StepKind::kLastLogits : StepKind::kStateOnly, past,
                        std::span(options_.prompt).subspan(past, rows)});
    }
    return measure("prefill", length, passes);
  }

  MeasuredPhase decode() {
    std::vector<Pass> passes;
    const auto length = static_cast<uint32_t>(options_.prompt.size());
    for (uint32_t i = 0; i < options_.tokens; ++i) passes.push_back({1, StepKind::kLastLogits, length + i, {}});
    return measure("decode", options_.tokens, passes);
  }

 private:
  struct Pass {
    uint32_t rows = 1;
    StepKind kind = StepKind::kLastLogits;
    uint32_t past = 0;
    std::span<const uint32_t> ids;  // none: the id that was sampled last
  };

  MeasuredPhase measure(const char* name, uint32_t tokens, const std::vector<Pass>& passes) {
    MeasuredPhase phase;
    phase.name = name;
    phase.tokens = tokens;
    phase.rounds = options_.repeats;
    is_decode_ = passes[0].ids.empty();
    compile(passes, phase);
    warm_up(phase);
    std::vector<double> usual;
    std::vector<std::vector<PassTimes>> whole, each;
    for (uint32_t i = 0; i < options_.repeats; ++i) {
      usual.push_back(usual_round(phase));
      whole.push_back(timed_round(passes, Timing::kWhole));
      each.push_back(timed_round(passes, Timing::kEach));
    }
    phase.usual = runtime::median(std::move(usual));
    phase.whole = runtime::median_round(std::move(whole));
    phase.each = runtime::median_round(std::move(each));
    engine_.clear();
    return phase;
  }

  void compile(const std::vector<Pass>& passes, MeasuredPhase& phase) {
    const Clock::time_point start = Clock::now();
    make_room();
    indices_.clear();
    for (const Pass& pass : passes) engine_.program(pass.rows, pass.kind);
    phase.compile = microseconds_since(start);
    for (const Pass& pass : passes) {
      const auto index = static_cast<uint32_t>(phase.programs.size());
      if (indices_.try_emplace({pass.rows, pass.kind}, index).second) phase.programs.push_back(describe(pass));
    }
  }

  // The timed steps run the program of the longest, whose list describe() gives.
  void make_room() {
    const uint32_t decoded = is_decode_ ? options_.tokens + 1 : 1;
    engine_.make_room(static_cast<uint32_t>(options_.prompt.size()) + decoded);
  }

  // Planning is pure: it gives the list that the program was compiled from.
  std::vector<runtime::StepInfo> describe(const Pass& pass) const {
    const StepPlan plan = plan_step(engine_.model_, engine_.shape_of(pass.rows, pass.kind), device_.caps());
    return runtime::describe_steps({plan.dispatches, plan.nodes, plan.sources, plan.slots});
  }

  void warm_up(MeasuredPhase& phase) {
    const Clock::time_point start = Clock::now();
    do {
      const double time = usual_round(phase);
      if (phase.warm_up_rounds++ == 0) phase.first = time;
      phase.warm_up = microseconds_since(start);
    } while (phase.warm_up < options_.warm_up_seconds * 1e6);
  }

  // Decoding may find its prompt in the cache; recurrent state has gone on since.
  void forget() {
    if (!is_decode_ || engine_.has_recurrent_state()) engine_.clear();
  }

  // The prompt up to its first token, or the tokens after that one, from a device that has nothing to do to the last
  // id: what a user waits for. What a decoding writes at its start is noted with the prompt, not with the tokens.
  double usual_round(MeasuredPhase& phase) {
    forget();
    std::vector<uint32_t> ids = options_.prompt;
    if (is_decode_) ids.push_back(first_token());
    device_.wait_idle();
    const gpu::Counters before = device_.counters();
    const Clock::time_point start = Clock::now();
    if (is_decode_) engine_.start(ids, {}, options_.tokens);
    phase.transfers.clear();
    const gpu::TransferLog log(phase.transfers);
    if (!is_decode_) engine_.start(ids, {}, 1);
    while (engine_.next()) continue;
    const double time = microseconds_since(start);
    phase.counters = runtime::since(device_.counters(), before);
    return time;
  }

  // It comes with the prompt, which is in the cache then.
  uint32_t first_token() {
    engine_.start(options_.prompt, {}, 1);
    return engine_.next().value();
  }

  std::vector<PassTimes> timed_round(const std::vector<Pass>& passes, Timing timing) {
    forget();
    if (is_decode_) {
      first_token();
    } else {
      engine_.write_sampling(options_.prompt, {});
      engine_.write_state();
    }
    make_room();
    device_.wait_idle();
    std::vector<PassTimes> round;
    const Clock::time_point start = Clock::now();
    for (const Pass& pass : passes) {
      const double begin = microseconds_since(start);
      const gpu::Buffer& ids = pass.rows == 1 ? *engine_.loop(LoopSlot::kNextId) : *engine_.prompt_ids_;
      if (!pass.ids.empty()) device_.write(ids, 0, std::as_bytes(pass.ids));
      PassTimes times = runtime::time_pass(device_, engine_.program(pass.rows, pass.kind).program.steps(), timing);
      times.program = indices_.at({pass.rows, pass.kind});
      times.tokens = pass.rows;
      times.past = pass.past;
      times.begin = begin;
      round.push_back(std::move(times));
    }
    return round;
  }

  gpu::Device& device_;
  Engine& engine_;
  const MeasureOptions& options_;
  bool is_decode_ = false;
  std::map<std::pair<uint32_t, StepKind>, uint32_t> indices_;  // of programs in the phase
};

std::vector<MeasuredPhase> measure(gpu::Device& device, Engine& engine, const MeasureOptions& options) {
  const uint64_t length = options.prompt.size() + uint64_t{options.tokens} + 1;
  if (options.prompt.empty()) fail("profile", "the prompt is empty: it must hold at least one token");
  if (options.repeats == 0) fail("profile", "repeats must be at least 1, got 0");
  if (options.decode && options.tokens == 0) fail("profile", "tokens must be at least 1, got 0");
  if (engine.context_length() && length > *engine.context_length()) {
    fail("profile", "a prompt of {} tokens and {} more exceed the model's context length of {}", options.prompt.size(),
         options.tokens, *engine.context_length());
  }
  Meter meter(device, engine, options);
  std::vector<MeasuredPhase> phases;
  if (options.prefill) phases.push_back(meter.prefill());
  if (options.decode) phases.push_back(meter.decode());
  return phases;
}

}  // namespace sluice::decode
