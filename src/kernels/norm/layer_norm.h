// LayerNormalization, with and without the residual sum before it (SkipLayerNormalization), over trailing dimensions.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias over the last `weight.elements()` elements of x: an ONNX
// axis other than -1 is the lowering's matter of viewing x as (rows, elements). x and y share one storage, weight and
// bias another.
struct LayerNormProblem {
  Tensor x;       // (..., H), H = elements of weight = the last dimension of x as given here
  Tensor weight;  // (H)
  Tensor bias;    // optional (H)
  Tensor y;       // shape of x
  Tensor mean;    // optional, kF32, one a row
  Tensor factor;  // optional, likewise: 1 / sqrt(variance + epsilon)
  float epsilon = 1e-5f;
};
void plan_layer_norm(const LayerNormProblem& problem, Recorder& recorder);

// v = x + skip + bias; y = layer norm of v with weight (gamma) and beta. Storages and shapes as in SkipRmsNormProblem.
struct SkipLayerNormProblem {
  Tensor x, skip;
  Tensor weight;  // (H)
  Tensor beta;    // optional (H)
  Tensor bias;    // optional (H)
  Tensor y;
  Tensor sum;           // optional: v
  Tensor mean, factor;  // as above, of v
  float epsilon = 1e-5f;
};
void plan_skip_layer_norm(const SkipLayerNormProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
