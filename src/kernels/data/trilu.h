// Trilu: the upper or lower triangle of the last two dimensions; the rest becomes zero.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Same shape (rank at least 2) and storage, kF32, kF16, kI32 or kU32. Upper keeps column - row >= k, lower column - row
// <= k.
struct TriluProblem {
  Tensor x, y;
  int32_t k = 0;
  bool upper = true;
};
void plan_trilu(const TriluProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
