// Inside of the MatMulNBits planner: the products of many rows.
#pragma once

#include "kernels/matmul/matmul_nbits.h"
#include "kernels/matmul/nbits_plan.h"

namespace sluice::kernels {

// Throws Error("matmul_nbits") if the problem asks for kMatrices or kDots and cannot have them. `dispatch` holds the
// operands and definitions that all MatMulNBits kernels share.
void plan_matmul_nbits_tiles(const MatMulNBitsProblem& problem, const NBitsLayout& layout, Dispatch dispatch,
                             Recorder& recorder);

}  // namespace sluice::kernels
