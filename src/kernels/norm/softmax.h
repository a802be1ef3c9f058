// Softmax and LogSoftmax along one axis.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y = exp(x - max) / sum(exp(x - max)) along axis, or its logarithm. A NaN makes its whole row NaN, as do rows of only
// -inf.
struct SoftmaxProblem {
  Tensor x;           // any shape, kF32 or kF16
  Tensor y;           // shape of x; kF32 or kF16; may not be the slot of x
  int32_t axis = -1;  // negative counts from the end
  bool log = false;
};
void plan_softmax(const SoftmaxProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
