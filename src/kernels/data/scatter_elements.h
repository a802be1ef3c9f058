// ScatterElements: data with single elements replaced, or combined, by updates.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

enum class ScatterReduction : uint8_t { kNone, kAdd, kMul, kMin, kMax };

// y = data; then y[i, indices[i, j, k], k] = updates[i, j, k] for axis 1, and so on, or y (op)= updates. indices kI32
// and updates have one shape of data's rank (at most 8), not larger than data but along the axis. Storages of data,
// updates and y agree: kF32, kF16, kI32 (kU32 with kNone). Updates of one element are applied in their order along the
// axis, so the result is always the same (the last wins with kNone). Negative indices count from the end; out of range
// is ignored.
struct ScatterElementsProblem {
  Tensor data, indices, updates, y;
  uint32_t axis = 0;
  ScatterReduction reduction = ScatterReduction::kNone;
};
void plan_scatter_elements(const ScatterElementsProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
