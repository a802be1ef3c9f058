// ArgMax and ArgMin along one axis.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// x kF32, kF16 or kI32; y kI32 with as many elements as x without the axis. Of equal values the first wins, or the last
// with select_last_index. NaN loses to every number; a row of NaN gives 0 (its last index with select_last_index).
struct ArgReduceProblem {
  Tensor x, y;
  uint32_t axis = 0;
  bool is_max = true;
  bool select_last_index = false;
};
void plan_arg_reduce(const ArgReduceProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
