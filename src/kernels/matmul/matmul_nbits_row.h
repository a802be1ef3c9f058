// The kernel of one row (matmul_nbits_row.wgsl). Internal: matmul_nbits.cpp has checked the problem.
#pragma once

#include "kernels/matmul/matmul_nbits.h"

namespace sluice::kernels {

// Throws Error("matmul_nbits") where the device has too few bindings, or too little workgroup memory for a norm.
void plan_matmul_nbits_row(const JoinedMatMulNBitsProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
