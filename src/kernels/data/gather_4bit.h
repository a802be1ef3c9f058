// GatherBlockQuantized (com.microsoft) of int4 and uint4 data, whose axes are free; see gather_block_quantized.h for
// uint8.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// data: `shape` values of 4 bits, two a byte, low bits first, without padding of rows: kBytes of one dimension. indices
// kI32 of any shape; scales kF32 or kF16, shaped as data with ceil(size / block_size) for the size of quantize_axis;
// zero_points optional, packed as data, one for each scale, 0 where absent; y kF32 or kF16, data's shape with the
// indices' in place of gather_axis: (q - zero_point) * scale. The axes may be the same. block_size a power of two
// >= 16. Negative indices count from the end, an index out of range gives zeros. Throws
// Error("gather_block_quantized").
struct Gather4BitProblem {
  Tensor data, indices, scales, zero_points, y;
  std::vector<uint32_t> shape;
  bool is_signed = false;
  uint32_t block_size = 128;
  uint32_t gather_axis = 0, quantize_axis = 1;
};
void plan_gather_4bit(const Gather4BitProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
