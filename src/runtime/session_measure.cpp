// A session's run with clocks beside it.
#include <algorithm>

#include "runtime/pass_timer.h"
#include "runtime/session.h"

namespace sluice::runtime {

namespace {

constexpr double kWarmUp = 2e5;  // microseconds that a GPU's clock takes to rise

}  // namespace

MeasuredPhase Session::measure(const std::map<std::string, HostTensor>& feeds, uint32_t repeats) {
  check_feeds(feeds);
  MeasuredPhase phase;
  phase.name = "run";
  phase.rounds = std::max(1u, repeats);
  Clock::time_point start = Clock::now();
  const Compiled& compiled = program(feeds);
  phase.compile = microseconds_since(start);
  phase.programs = {compiled.steps};
  const auto usual_round = [&] {
    const Clock::time_point begin = Clock::now();
    execute(compiled, feeds);
    return microseconds_since(begin);
  };
  start = Clock::now();
  do {
    const double time = usual_round();
    if (phase.warm_up_rounds++ == 0) phase.first = time;
    phase.warm_up = microseconds_since(start);
  } while (phase.warm_up < kWarmUp);

  std::vector<double> usual;
  std::vector<std::vector<PassTimes>> whole, each;
  for (uint32_t i = 0; i < phase.rounds; ++i) {
    const gpu::Counters before = device_.counters();
    {
      phase.transfers.clear();
      const gpu::TransferLog log(phase.transfers);
      usual.push_back(usual_round());
    }
    phase.counters = since(device_.counters(), before);
    whole.push_back({time_pass(device_, compiled.program.steps(), Timing::kWhole)});
    each.push_back({time_pass(device_, compiled.program.steps(), Timing::kEach)});
  }
  phase.usual = median(std::move(usual));
  phase.whole = median_round(std::move(whole));
  phase.each = median_round(std::move(each));
  return phase;
}

}  // namespace sluice::runtime
