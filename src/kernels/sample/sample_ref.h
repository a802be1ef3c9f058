// Plain definition of the sampler: what the tests hold the kernels against.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/sample/sample.h"
#include "kernels/sample/state.h"

namespace sluice::kernels::ref {

// The ten rounds of Philox4x32.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> seed);

// Everything about one step's distribution that a test may want to see.
struct Distribution {
  std::vector<float> values;     // after penalties and temperature
  std::vector<uint64_t> masses;  // of what is kept, 0 elsewhere
  float threshold = 0;           // the least value kept
  uint32_t greedy = 0;           // the argmax
};
Distribution distribution(const std::vector<float>& logits, const std::vector<uint32_t>& history,
                          const SampleSettings& settings);

// The id that step's random number falls on.
uint32_t draw(const Distribution& distribution, const SampleSettings& settings, uint32_t step);

// One step: updates state and history, returns what goes to the ring.
int32_t sample(const std::vector<float>& logits, const SampleSettings& settings, DecodeState& state,
               std::vector<uint32_t>& history);

}  // namespace sluice::kernels::ref
