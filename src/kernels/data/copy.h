// Copy of a tensor's elements to another tensor of as many elements (Reshape, Identity where the buffers must differ).
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Same storage and number of elements; shapes may differ.
struct CopyProblem {
  Tensor x, y;
};
void plan_copy(const CopyProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
