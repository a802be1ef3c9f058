// MatMul and Gemm of floats: Y = alpha * op(A) * op(B) + beta * C, batched with numpy broadcasting.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

enum class MatMulVariant : uint8_t { kAuto, kGemv, kGemm };

// A and B have at least two dimensions (the caller reshapes 1-D operands); all before the last two broadcast against
// each other. Every tensor is f32 or f16 of its own; accumulation is f32.
struct MatMulProblem {
  Tensor a;  // (batch..., m, k), or (batch..., k, m) with trans_a
  Tensor b;  // (batch..., k, n), or (batch..., n, k) with trans_b
  Tensor
      c;  // optional: broadcasts to y from the right (scalar, (n), (m, 1), (m, n), (batch..., m, n)); not the slot of y
  Tensor norm_weight;  // optional: (k); a, of one row in all, is RMS-normalised with it first
  Tensor y;            // (batch..., m, n)
  bool trans_a = false, trans_b = false;
  float alpha = 1, beta = 1;
  float norm_epsilon = 1e-5f;
  MatMulVariant variant = MatMulVariant::kAuto;
};

// Throws Error("matmul") when shapes do not agree or a type is not a float. An empty y records nothing; with k = 0 the
// product is 0.
void plan_matmul(const MatMulProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
