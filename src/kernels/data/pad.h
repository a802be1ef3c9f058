// Pad, constant mode.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y.shape[i] = begins[i] + x.shape[i] + ends[i]; negative begins and ends crop (ends follow from y.shape). Same
// storage, kF32, kF16, kI32 or kU32; the value is rounded to it.
struct PadProblem {
  Tensor x, y;
  std::vector<int32_t> begins;
  double value = 0;
};
void plan_pad(const PadProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
