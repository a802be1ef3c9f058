// Transpose: y has the dimensions of x in another order.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y.shape[i] = x.shape[perm[i]]; an empty perm reverses the dimensions. x and y have one storage: kF32, kF16, kI32,
// kU32, or kBytes where whole 4-byte words move together. At most 8 dimensions after neighbours that stay neighbours
// are joined.
struct TransposeProblem {
  Tensor x, y;
  std::vector<uint32_t> perm;
};
void plan_transpose(const TransposeProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
