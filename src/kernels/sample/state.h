// The state of a token loop that lives on the GPU, and the two tiny kernels around a step: one writes the tensors that
// follow from the sequence length, the other moves the length on. A replayed step thus needs nothing from the host.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Contents of a kU32 buffer of kDecodeStateWords elements. The host writes it once when a generation starts.
struct DecodeState {
  uint32_t past_length = 0;  // tokens in the KV cache
  uint32_t step = 0;         // tokens sampled since the generation began, counting the idle ones after a stop
  uint32_t active = 1;       // the sampler sets it to 0 when it has sampled a stop id
  uint32_t reserved = 0;
};
inline constexpr uint32_t kDecodeStateWords = sizeof(DecodeState) / 4;

// A kI32 tensor derived from past_length.
struct StepTarget {
  enum class Kind : uint8_t {
    kScalar,  // every element is past_length + offset (sequence lengths)
    kIota,    // element i is past_length + offset + i (position ids)
    kActive,  // every element is state.active (offset is ignored): what recurrent layers ask before they change their
              // state
  };
  Tensor target;
  int32_t offset = 0;
  Kind kind = Kind::kScalar;
};

// state is read; any number of targets, 7 in a dispatch. For a model with batch 1, S new tokens: seqlens_k is {kScalar,
// S - 1}, the total length {kScalar, S}, position_ids {kIota, 0}.
struct BeginStepProblem {
  Tensor state;
  std::vector<StepTarget> targets;
};
void plan_begin_step(const BeginStepProblem& problem, Recorder& recorder);

// past_length += tokens, if active is not 0.
struct EndStepProblem {
  Tensor state;
  uint32_t tokens = 1;
};
void plan_end_step(const EndStepProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
