// Runs a language model the way it is always run, and then the same steps with clocks beside them.
#pragma once

#include <cstdint>
#include <vector>

#include "decode/engine.h"
#include "runtime/measurement.h"

namespace sluice::decode {

struct MeasureOptions {
  std::vector<uint32_t> prompt;  // at least one token
  uint32_t tokens = 32;          // to decode after it
  uint32_t repeats = 3;          // rounds of each kind
  double warm_up_seconds = 0.2;  // a GPU's clock takes that long to rise
  bool prefill = true, decode = true;
};

// The engine's cache is empty afterwards. Throws Error for a prompt that is empty or, with the tokens to decode, longer
// than the context.
std::vector<runtime::MeasuredPhase> measure(gpu::Device& device, Engine& engine, const MeasureOptions& options);

}  // namespace sluice::decode
