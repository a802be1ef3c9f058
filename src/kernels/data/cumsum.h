// CumSum: running sums along an axis.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Same shape and storage: kF32, kF16 (summed in float32) or kI32 (wraps). exclusive leaves an element out of its own
// sum, reverse sums from the end.
struct CumsumProblem {
  Tensor x, y;
  uint32_t axis = 0;
  bool exclusive = false, reverse = false;
};
void plan_cumsum(const CumsumProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
