#include "kernels/norm/layer_norm.h"

#include "kernels/norm/norm_plan.h"

namespace sluice::kernels {

void plan_layer_norm(const LayerNormProblem& p, Recorder& recorder) {
  norm::plan({.tag = "LayerNormalization",
              .x = p.x,
              .weight = p.weight,
              .beta = p.bias,
              .y = p.y,
              .mean = p.mean,
              .factor = p.factor,
              .centred = true,
              .epsilon = p.epsilon},
             recorder);
}

void plan_skip_layer_norm(const SkipLayerNormProblem& p, Recorder& recorder) {
  norm::plan({.tag = "SkipLayerNormalization",
              .x = p.x,
              .skip = p.skip,
              .bias = p.bias,
              .weight = p.weight,
              .beta = p.beta,
              .y = p.y,
              .sum = p.sum,
              .mean = p.mean,
              .factor = p.factor,
              .centred = true,
              .epsilon = p.epsilon},
             recorder);
}

}  // namespace sluice::kernels
