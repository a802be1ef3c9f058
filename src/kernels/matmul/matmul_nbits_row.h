// The kernel of one row, or of a few as bytes (matmul_nbits_row.wgsl). Internal: matmul_nbits.cpp has checked the
// problem.
#pragma once

#include "kernels/matmul/matmul_nbits.h"

namespace sluice::kernels {

// Whether the kernel takes a product of up to 8 rows: all of one, and of more where bytes will do and lie in workgroup
// memory.
bool row_kernel_takes(const MatMulNBitsProblem& problem, const gpu::Caps& caps);

// Throws Error("matmul_nbits") where the device has too few bindings, or too little workgroup memory for a norm.
void plan_matmul_nbits_row(const JoinedMatMulNBitsProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
