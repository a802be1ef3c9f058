// What running a compiled model with clocks beside it gives: plain numbers, from which src/profile makes reports.
// Times are in microseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu/device.h"
#include "gpu/transfers.h"
#include "runtime/step_info.h"

namespace sluice::runtime {

// A time on the GPU's clock, from the beginning of the first dispatch of its run.
struct Interval {
  double begin = 0, length = 0;
};

// A replay of one program. On the host: recording it, handing it over, waiting for its end.
struct PassTimes {
  uint32_t program = 0;  // index in MeasuredPhase::programs
  uint32_t tokens = 1;   // new ones that it runs
  uint32_t past = 0;     // tokens that the cache held before
  double begin = 0;      // on the host's clock, from the beginning of its round
  double record = 0, submit = 0, wait = 0;
  double gpu = 0;               // of the whole pass; 0 without timestamps
  std::vector<Interval> steps;  // of each dispatch; empty where only the whole was timed
};

// Work that is done again and again: the chunks of a prompt, or a token after another.
struct MeasuredPhase {
  std::string name;     // "prefill", "decode", "run"
  uint32_t tokens = 0;  // of one round
  uint32_t rounds = 0;  // that were run in each way after the warm-up; those below are their medians by time
  double compile = 0;   // of programs that were not there yet
  double first = 0;     // the first round
  double warm_up = 0;   // all rounds until the steady ones
  uint32_t warm_up_rounds = 0;
  double usual = 0;                      // a round as it is run when nobody measures; 0 if it was not run so
  gpu::Counters counters;                // of that usual round
  std::vector<gpu::Transfer> transfers;  // of that usual round
  std::vector<std::vector<StepInfo>> programs;
  std::vector<PassTimes> whole;  // a round with one pair of timestamps around each pass
  std::vector<PassTimes> each;   // a round with a pair around each dispatch; without timestamps, a submission each
};

struct Measurement {
  std::string model, device, library;
  bool timestamps = false;  // false: steps were timed by submission, on the host
  double read_limit = 0;    // bytes a second that a plain reading loop reaches on the device; 0: not measured
  std::vector<MeasuredPhase> phases;
};

}  // namespace sluice::runtime
