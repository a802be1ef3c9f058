// Tile: repeats a tensor along its axes.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y.shape[i] = x.shape[i] * repeats[i], where repeats follow from the shapes; the same storage as x.
struct TileProblem {
  Tensor x, y;
};
void plan_tile(const TileProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
