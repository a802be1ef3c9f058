// RotaryEmbedding, as com.microsoft and ai.onnx 23 define it.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

struct RotaryEmbeddingProblem {
  Tensor x;             // (B, S, N*D), or (B, N, S, D)
  Tensor position_ids;  // kI32 (1): offset of the first token; (B, S): one per token; empty: cos and sin are per token
  Tensor cos, sin;      // (max, R/2), or (B, S, R/2) without position_ids; kF32 or kF16, both alike
  Tensor y;             // shape and storage (kF32, kF16) of x; may not be the slot of x

  uint32_t num_heads =
      0;  // needed when x has 3 dimensions and R < D; else 0 lets D = R = twice the last dimension of cos
  uint32_t rotary_embedding_dim = 0;  // R; 0: twice the last dimension of cos
  bool interleaved = false;           // pairs (2i, 2i+1) instead of (i, i + R/2)
  float scale = 1;                    // must be 1, the only value any implementation supports
};

// Positions outside the table are clamped into it, so that padding tokens with any id are harmless.
void plan_rotary_embedding(const RotaryEmbeddingProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
