// Tensors made of nothing: one value everywhere (ConstantOfShape), or evenly spaced values (Range).
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y[i] = value, rounded or converted to y's storage; kBytes takes 0 to 255, kU32 any unsigned value.
struct FillProblem {
  Tensor y;
  double value = 0;
};
void plan_fill(const FillProblem& problem, Recorder& recorder);

// y[i] = start + i * delta, i the flat index; kF32, kF16 or kI32 (computed in y's type, float16 in float32).
struct RangeProblem {
  Tensor y;
  double start = 0, delta = 1;
};
void plan_range(const RangeProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
