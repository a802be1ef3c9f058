// Replays a program with clocks beside it.
#pragma once

#include <chrono>
#include <span>

#include "gpu/device.h"
#include "runtime/measurement.h"

namespace sluice::runtime {

using Clock = std::chrono::steady_clock;
inline double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// The whole with one pair of timestamps, as it runs when nobody measures; or each dispatch with a pair of its own.
enum class Timing : uint8_t { kWhole, kEach };

// Runs the steps and waits for them. A device without timestamps tells nothing of the whole, and each dispatch becomes
// a submission that is timed on the host.
PassTimes time_pass(gpu::Device& device, std::span<const gpu::Step> steps, Timing timing);

double median(std::vector<double> values);
gpu::Counters since(const gpu::Counters& now, const gpu::Counters& before);

// The round whose dispatches (or, where those were not timed, whose passes) took the median time.
std::vector<PassTimes> median_round(std::vector<std::vector<PassTimes>> rounds);

}  // namespace sluice::runtime
