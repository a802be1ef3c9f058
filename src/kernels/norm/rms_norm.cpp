#include "kernels/norm/rms_norm.h"

#include "kernels/norm/norm_plan.h"

namespace sluice::kernels {

void plan_rms_norm(const RmsNormProblem& p, Recorder& recorder) {
  norm::plan(
      {.tag = "RMSNormalization", .x = p.x, .weight = p.weight, .y = p.y, .factor = p.factor, .epsilon = p.epsilon},
      recorder);
}

void plan_skip_rms_norm(const SkipRmsNormProblem& p, Recorder& recorder) {
  norm::plan({.tag = "SkipSimplifiedLayerNormalization",
              .x = p.x,
              .skip = p.skip,
              .bias = p.bias,
              .weight = p.weight,
              .y = p.y,
              .sum = p.sum,
              .factor = p.factor,
              .inner = p.inner_weight,
              .epsilon = p.epsilon,
              .inner_epsilon = p.inner_epsilon},
             recorder);
}

}  // namespace sluice::kernels
