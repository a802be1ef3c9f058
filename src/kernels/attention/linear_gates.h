// What surrounds LinearAttention: its gates, and the gated norm of its output (com.microsoft LinearAttentionGate,
// GatedRMSNorm).
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// decay = decay_scale * softplus(a + dt_bias), beta = sigmoid(b). a, b, decay and beta share one storage, kF32 or kF16.
struct LinearGateProblem {
  Tensor a;                     // (B, T, H)
  Tensor dt_bias, decay_scale;  // kF32 (H)
  Tensor b;                     // shape of a; needed with beta
  Tensor decay;                 // shape of a
  Tensor beta;                  // optional, shape of a
};
void plan_linear_gate(const LinearGateProblem& problem, Recorder& recorder);

enum class GateActivation : uint8_t { kSilu, kSigmoid };

// y = x / sqrt(mean(x^2) + epsilon) * scale * activation(gate), the mean over each C neighbouring elements. All tensors
// share one storage, kF32 or kF16. C is 1 to the last dimension of x and divides it.
struct GatedRmsNormProblem {
  Tensor x;      // (..., H*C)
  Tensor scale;  // (C)
  Tensor gate;   // shape of x
  Tensor y;      // shape of x; another slot than x and gate
  GateActivation activation = GateActivation::kSilu;
  float epsilon = 1e-5f;
};
void plan_gated_rms_norm(const GatedRmsNormProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
