// CausalConvWithState (com.microsoft): a depthwise causal convolution over time that carries its last K-1 inputs.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

enum class ConvActivation : uint8_t { kNone, kSilu };

// With z = past (zeros if empty) followed by x along time, N = (K-1) * dilation columns of past:
//   y[b,c,t] = activation(bias[c] + sum_k weight[c,0,k] * z[b,c,t+k*dilation]),  present = the last N columns of z.
// All tensors share one storage, kF32 or kF16.
struct CausalConvProblem {
  Tensor x;        // (B, C, S); (B, S, d...) of C elements in all behind S with channels_last
  Tensor weight;   // (C, 1, K), 1 <= K <= 64
  Tensor bias;     // optional (C)
  Tensor past;     // optional (B, C, N); (B, N, d...) with channels_last
  Tensor y;        // shape of x
  Tensor present;  // shape of past; may be empty, may be the slot of past
  Tensor active;   // optional kU32 (1): present is written only if it is not 0
  ConvActivation activation = ConvActivation::kNone;
  uint32_t dilation = 1;
  bool channels_last = false;
};
void plan_causal_conv(const CausalConvProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
