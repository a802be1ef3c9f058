// Slice with steps of either sign. Split is one slice an output.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y[i0, i1, ...] = x[starts[0] + i0 * steps[0], ...], one start and step for every axis of x (start 0, step 1 where an
// axis is taken whole); y.shape says how many. Starts are within range already (ONNX's negative and clamped starts are
// the caller's to resolve); the planner checks that no read leaves x. Storages as for transpose.
struct SliceProblem {
  Tensor x, y;
  std::vector<int32_t> starts, steps;
};
void plan_slice(const SliceProblem& problem, Recorder& recorder);

// Split along an axis: outputs take consecutive ranges of x, their lengths given by their shapes.
struct SplitProblem {
  Tensor x;
  std::vector<Tensor>
      outputs;  // an empty tensor where an output is not wanted is not allowed: leave a slice out instead
  uint32_t axis = 0;
};
void plan_split(const SplitProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
