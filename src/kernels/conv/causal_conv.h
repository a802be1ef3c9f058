// CausalConvWithState (com.microsoft): a depthwise causal convolution over time that carries its last K-1 inputs.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

enum class ConvActivation : uint8_t { kNone, kSilu };

// With z = past (zeros if empty) followed by x along time:
//   y[b,c,t] = activation(bias[c] + sum_k weight[c,0,k] * z[b,c,t+k]),  present = the last K-1 columns of z.
// All tensors share one storage, kF32 or kF16.
struct CausalConvProblem {
  Tensor x;        // (B, C, S)
  Tensor weight;   // (C, 1, K), 1 <= K <= 16
  Tensor bias;     // optional (C)
  Tensor past;     // optional (B, C, K-1)
  Tensor y;        // (B, C, S)
  Tensor present;  // (B, C, K-1); may be empty, may be the slot of past
  Tensor active;   // optional kU32 (1): present is written only if it is not 0
  ConvActivation activation = ConvActivation::kNone;
};
void plan_causal_conv(const CausalConvProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
