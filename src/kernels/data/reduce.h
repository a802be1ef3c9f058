// Reductions over any set of axes: ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceSumSquare, ReduceL2.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

enum class ReduceOp : uint8_t { kSum, kMean, kMax, kMin, kProd, kSumSquare, kL2 };

// y has as many elements as the axes of x that stay (keepdims is the shape's business). Same type: kF32 and kF16 may
// mix, and are accumulated in float32; kI32 wraps, and takes all but kL2 (kMean truncates). NaN anywhere makes max and
// min NaN. No axes: every axis is kept and the operator applied to single elements. Over nothing: 0, 1, -inf / inf
// (least and greatest int), NaN for the mean (0 for ints). At most 8 dimensions after neighbours of one kind are
// joined.
struct ReduceProblem {
  Tensor x, y;
  std::vector<uint32_t> axes;
  ReduceOp op = ReduceOp::kSum;
};
void plan_reduce(const ReduceProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
