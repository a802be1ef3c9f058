// The sampler of the token loop: penalties, temperature, top-k, top-p, min-p and the draw, all on the GPU. The same
// logits, settings, seed and step give the same id on one device: there are no float atomics, and masses are summed as
// 64-bit integers.
//
// In this order, as transformers and vLLM do:
//   1. repetition penalty r, for ids in the prompt or generated: logit / r where logit > 0, logit * r elsewhere
//   2. logit -= frequency * times_generated + presence * (times_generated > 0)
//   3. logit /= temperature; at temperature 0 the greatest logit wins, of equals the lowest id, and the rest is skipped
//   4. top-k: keep logits not less than the k-th greatest (all equals of the k-th stay, as in transformers)
//   5. top-p: of those, keep the fewest most probable whose share of the mass reaches top_p (equals of the last stay)
//   6. min-p: of those, keep probabilities of at least min_p times the greatest
//   7. draw from what is kept, in proportion, by inverse distribution in the order of ids.
// NaN logits count as -inf. If no logit is above -inf, id 0 is drawn. A logit of +inf shares the draw only with its
// like. Probabilities below 2^-31 of the greatest count as 0.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Contents of a kU32 buffer of kSampleSettingsWords elements, written by the host when a generation starts: programs
// are not built anew when settings change. Values out of their range behave as the nearest within, but the repetition
// penalty must be above 0.
struct SampleSettings {
  float temperature = 0;  // 0: greedy
  uint32_t top_k = 0;     // 0: off
  float top_p = 1;        // 1: off
  float min_p = 0;        // 0: off
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  uint32_t seed_lo = 0, seed_hi = 0;
  uint32_t stop_count = 0;
  uint32_t stop_ids[16] = {};
};
inline constexpr uint32_t kMaxStopIds = 16;
inline constexpr uint32_t kSampleSettingsWords = sizeof(SampleSettings) / 4;
static_assert(kSampleSettingsWords == 26);

// logits   kF32 or kF16 (.., V), V from 1 to 2^22; row counts over all leading dimensions
// settings kU32 (kSampleSettingsWords)
// state    kU32 (kDecodeStateWords), see state.h: step counts the draw and goes up by one; a stop id sets active to 0
// history  kU32 (V): bit 31 says that the id is in the prompt, the rest counts how often it was generated
// next_ids kI32 (1): the sampled id, the next step's input
// ring     kI32 (any size from 1): element step modulo its size becomes the sampled id
// While state.active is 0 nothing is sampled: the ring gets -1, step goes up, next_ids and history stay.
struct SampleProblem {
  static constexpr uint32_t kLastRow = ~0u;
  Tensor logits, settings, state, history, next_ids, ring;
  uint32_t row = kLastRow;
  bool greedy = false;  // the temperature will be 0 whenever this runs: plans 2 dispatches instead of 6
};
void plan_sample(const SampleProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
