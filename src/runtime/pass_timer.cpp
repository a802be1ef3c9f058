#include "runtime/pass_timer.h"

#include <algorithm>

namespace sluice::runtime {

namespace {

constexpr size_t kMaxTimed = 2048;  // dispatches of a recording that can be timed

void submit(gpu::Device& device, gpu::Commands&& commands, PassTimes& times) {
  const Clock::time_point start = Clock::now();
  device.submit(std::move(commands));
  times.submit += microseconds_since(start);
}

void time_whole(gpu::Device& device, std::span<const gpu::Step> steps, PassTimes& times) {
  const bool stamps = device.caps().timestamps;
  const Clock::time_point start = Clock::now();
  gpu::Commands commands(device);
  if (stamps) commands.begin_timed_span();
  commands.dispatch(steps);
  if (stamps) commands.end_timed_span();
  times.record = microseconds_since(start);
  submit(device, std::move(commands), times);
  const Clock::time_point submitted = Clock::now();
  device.wait_idle();
  times.wait = microseconds_since(submitted);
  if (!stamps) return;
  const gpu::Timing span = device.read_timings().at(0);
  times.gpu = static_cast<double>(span.end_ns - span.begin_ns) / 1e3;
}

// A dispatch of no workgroups does not run and has no time: it lies where the one before it ended.
void append_intervals(const std::vector<gpu::Timing>& timings, uint64_t& zero, std::vector<Interval>& intervals) {
  for (const gpu::Timing& t : timings) {
    if (t.end_ns == 0) {
      intervals.push_back({intervals.empty() ? 0 : intervals.back().begin + intervals.back().length, 0});
      continue;
    }
    if (zero == 0) zero = t.begin_ns;
    intervals.push_back(
        {static_cast<double>(t.begin_ns - zero) / 1e3, static_cast<double>(t.end_ns - t.begin_ns) / 1e3});
  }
}

void time_each(gpu::Device& device, std::span<const gpu::Step> steps, PassTimes& times) {
  uint64_t zero = 0;
  for (size_t first = 0; first < steps.size(); first += kMaxTimed) {
    const Clock::time_point start = Clock::now();
    gpu::Commands commands(device);
    commands.time_each_dispatch();
    commands.dispatch(steps.subspan(first, std::min(kMaxTimed, steps.size() - first)));
    times.record += microseconds_since(start);
    submit(device, std::move(commands), times);
    const Clock::time_point submitted = Clock::now();
    append_intervals(device.read_timings(), zero, times.steps);
    times.wait += microseconds_since(submitted);
  }
  if (!times.steps.empty()) times.gpu = times.steps.back().begin + times.steps.back().length;
}

void submit_each(gpu::Device& device, std::span<const gpu::Step> steps, PassTimes& times) {
  const Clock::time_point start = Clock::now();
  for (const gpu::Step& step : steps) {
    const double begin = microseconds_since(start);
    gpu::Commands commands(device);
    commands.dispatch(step);
    submit(device, std::move(commands), times);
    const Clock::time_point submitted = Clock::now();
    device.wait_idle();
    times.wait += microseconds_since(submitted);
    times.steps.push_back({begin, microseconds_since(start) - begin});
  }
}

double duration(const std::vector<PassTimes>& round) {
  double sum = 0;
  for (const PassTimes& pass : round) {
    if (pass.steps.empty()) sum += pass.record + pass.submit + pass.wait;
    for (const Interval& step : pass.steps) sum += step.length;
  }
  return sum;
}

}  // namespace

PassTimes time_pass(gpu::Device& device, std::span<const gpu::Step> steps, Timing timing) {
  PassTimes times;
  if (timing == Timing::kWhole) {
    time_whole(device, steps, times);
  } else if (device.caps().timestamps) {
    time_each(device, steps, times);
  } else {
    submit_each(device, steps, times);
  }
  return times;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

gpu::Counters since(const gpu::Counters& now, const gpu::Counters& before) {
  return {.submits = now.submits - before.submits,
          .dispatches = now.dispatches - before.dispatches,
          .maps = now.maps - before.maps,
          .waits = now.waits - before.waits,
          .idle_waits = now.idle_waits - before.idle_waits,
          .buffers_created = now.buffers_created - before.buffers_created,
          .pipelines_created = now.pipelines_created - before.pipelines_created,
          .bind_groups_created = now.bind_groups_created - before.bind_groups_created};
}

std::vector<PassTimes> median_round(std::vector<std::vector<PassTimes>> rounds) {
  const auto middle = rounds.begin() + static_cast<ptrdiff_t>(rounds.size() / 2);
  std::nth_element(rounds.begin(), middle, rounds.end(),
                   [](const auto& a, const auto& b) { return duration(a) < duration(b); });
  return std::move(*middle);
}

}  // namespace sluice::runtime
