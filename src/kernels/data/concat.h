// Concatenation of tensors along an axis.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// All inputs and y have one storage and, but for the axis, one shape. Any number of inputs (7 in a dispatch, as many as
// there are bindings for); inputs with no elements are skipped. kBytes only where every input's run is a multiple of 4
// bytes.
struct ConcatProblem {
  std::vector<Tensor> inputs;
  Tensor y;
  uint32_t axis = 0;
};
void plan_concat(const ConcatProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
