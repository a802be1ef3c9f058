// RMS normalisation, with and without the residual sum before it (SimplifiedLayerNormalization, RMSNormalization,
// SkipSimplifiedLayerNormalization).
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y = x / sqrt(mean(x^2) + epsilon) * weight over the last dimension. Every tensor kF32 or kF16, in any mix.
struct RmsNormProblem {
  Tensor x;       // (..., H)
  Tensor weight;  // (H)
  Tensor y;       // shape of x; may not be the slot of x
  Tensor factor;  // optional, kF32, one a row: 1 / sqrt(mean(x^2) + epsilon)
  float epsilon = 1e-5f;
};
void plan_rms_norm(const RmsNormProblem& problem, Recorder& recorder);

// v = x + skip + bias; y = v / sqrt(mean(v^2) + epsilon) * weight. y is computed from v before v is rounded to sum's
// storage. With an inner weight, x / sqrt(mean(x^2) + inner_epsilon) * inner_weight stands for x: a block whose result
// is normalised before it is added. x, skip, y and sum share one storage, weights and bias another.
struct SkipRmsNormProblem {
  Tensor x;       // (..., H)
  Tensor skip;    // shape of x, or one that repeats along its leading dimensions: (S, H) or (1, S, H) against (B, S, H)
  Tensor weight;  // (H); like y not needed where only the sum after an inner norm is wanted
  Tensor bias;    // optional (H)
  Tensor y;       // shape of x
  Tensor sum;     // optional, shape of x: v
  Tensor factor;  // as above, of v
  float epsilon = 1e-5f;
  Tensor inner_weight;  // optional (H)
  float inner_epsilon = 1e-5f;
};
void plan_skip_rms_norm(const SkipRmsNormProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
