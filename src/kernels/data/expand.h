// Expand: a broadcast copy.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y has a shape that x broadcasts to as in NumPy; the same storage as x.
struct ExpandProblem {
  Tensor x, y;
};
void plan_expand(const ExpandProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
