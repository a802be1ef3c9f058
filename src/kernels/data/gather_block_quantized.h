// GatherBlockQuantized (com.microsoft): rows of a block-quantised embedding table, dequantised as they are gathered.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// data kBytes (V, .., C * bits / 8), values packed along the last axis, low bits first; indices kI32 of any shape;
// scales kF32 or kF16 (V, .., ceil(C / block_size)); zero_points optional, kBytes (V, .., ceil(C / block_size * bits /
// 8)) packed like data; y kF32 or kF16 (indices.., .., C). y = (q - zero_point) * scale; without zero points 2^(bits-1)
// is subtracted. bits 2, 4 or 8; block_size a power of two >= 16; gather_axis 0, quantize_axis the last. Negative
// indices count from the end, an index out of range gives zeros.
struct GatherBlockQuantizedProblem {
  Tensor data, indices, scales, zero_points, y;
  uint32_t bits = 4, block_size = 128;
  // data, scales and zero_points are part of a table of `whole` slices (0: all of it), `first` of them before it. Rows
  // of y from other slices are left as they are; the part from 0 on also writes those of indices out of range.
  uint32_t first = 0, whole = 0;
};
void plan_gather_block_quantized(const GatherBlockQuantizedProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
