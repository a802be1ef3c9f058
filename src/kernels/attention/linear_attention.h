// LinearAttention (com.microsoft): attention whose past is a matrix of fixed size, for each head, updated by every
// token.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

enum class LinearRule : uint8_t { kLinear, kGated, kDelta, kGatedDelta };

// For every head of the state S (dk x dv) and token t, with e = exp(decay) for the gated rules, else 1:
//   S <- e S,  delta = beta (v - S^T k) for the delta rules, else v,  S <- S + k delta^T,  output = scale S^T q.
// B batch, T tokens, Hq, Hk and H heads of query, key and state. H is a multiple of Hk; one of Hq and H a multiple of
// the other: query heads share a state, or states a query. All float tensors but the states share one storage, kF32 or
// kF16, the states another.
struct LinearAttentionProblem {
  Tensor query;                         // (B, T, Hq*dk)
  Tensor key;                           // (B, T, Hk*dk)
  Tensor value;                         // (B, T, H*dv)
  Tensor past;                          // optional (B, H, dk, dv); zeros if empty
  Tensor decay;                         // gated rules: (B, T, H), or (B, T, H*dk)
  Tensor beta;                          // delta rules: (B, T, H) or (B, T, 1)
  Tensor output;                        // (B, T, max(Hq, H)*dv)
  Tensor present;                       // optional (B, H, dk, dv); may be the slot of past
  Tensor active;                        // optional kU32 (1): present is written only if it is not 0
  uint32_t heads = 0, state_heads = 0;  // Hq, H
  LinearRule rule = LinearRule::kGatedDelta;
  float scale = 0;  // 0: 1 / sqrt(dk)
};

// Sums are float32. Refuses dk above 1024 and shapes that do not agree.
void plan_linear_attention(const LinearAttentionProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
