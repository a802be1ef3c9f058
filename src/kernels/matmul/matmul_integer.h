// MatMulInteger: products of 8-bit numbers, summed exactly in 32 bits.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Y = (A - a_zero) (B - b_zero), int32 that wraps; all before the last two dimensions broadcast.
struct MatMulIntegerProblem {
  Tensor a;               // (batch..., m, k): kI32 or kBytes (uint8)
  Tensor b;               // (batch..., k, n): likewise
  Tensor a_zero, b_zero;  // optional, kI32: 1 element, or m and n
  Tensor y;               // (batch..., m, n) kI32; not an input's slot
};

// Throws Error "matmul_integer" when shapes or storages do not agree, or batches of B repeat otherwise than as a whole.
void plan_matmul_integer(const MatMulIntegerProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
