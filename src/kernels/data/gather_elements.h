// GatherElements: one element of data for every index.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y[i, j, k] = data[i, indices[i, j, k], k] for axis 1, and so on. indices kI32 and y have one shape, of data's rank
// (at most 8), not larger than data but along the axis. Negative indices count from the end; out of range gives NaN for
// floats and 0 for the rest. Storages kF32, kF16, kI32, kU32.
struct GatherElementsProblem {
  Tensor data, indices, y;
  uint32_t axis = 0;
};
void plan_gather_elements(const GatherElementsProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
