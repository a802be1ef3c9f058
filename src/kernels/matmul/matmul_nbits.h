// MatMulNBits (com.microsoft): Y = A * dequantise(B)^T + bias (+ residual), with B in 2, 4 or 8 bits by blocks along K.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Which kernel runs; kAuto leaves the choice to the planner. Tests and benchmarks force one.
// kGemm: tiles of f32 multiply-adds; kMatrices: of subgroup matrices (f16 operands); kDots: of packed dot products of
// 8-bit integers.
enum class MatMulNBitsVariant : uint8_t { kAuto, kGemv, kGemm, kMatrices, kDots };

// B holds, for each of the n outputs, ceil(k / block_size) blocks of block_size values, low bits first; the last block
// is padded. value = (q - zero_point) * scale. Sums are f32. Products are, too, but for many rows: of float16 operands
// where a has that type and the device has subgroup matrices, and of 8-bit activations (blocks of 32, scale = max |a| /
// 127) where accuracy_level 4 allows it and the device has packed dot products.
struct MatMulNBitsProblem {
  Tensor a;            // (..., k) f32 or f16
  Tensor b;            // kBytes (n, blocks, block_size * bits / 8)
  Tensor scales;       // n * blocks elements of any shape, f32 or f16
  Tensor zero_points;  // optional: kBytes (n, ceil(blocks * bits / 8)), or floats (n, blocks); absent: 2^(bits - 1)
  Tensor bias;         // optional: (n) f32 or f16
  Tensor residual;     // optional: like y, added to it; not the slot of y
  Tensor norm_weight;  // optional: (k) f32 or f16; a, of one row and at most max_norm_width(), is RMS-normalised
                       // with it first
  Tensor y;            // (..., n) f32 or f16
  uint32_t n = 0, k = 0;
  uint32_t bits = 4;            // 2, 4, 8
  uint32_t block_size = 32;     // 16, 32, 64, 128, 256
  uint32_t accuracy_level = 0;  // 0..4
  float norm_epsilon = 1e-5f;
  MatMulNBitsVariant variant = MatMulNBitsVariant::kAuto;
  uint32_t tile = 0;  // of many rows: 1 + its number in tile_shapes() (tile_plan.h); 0: the planner chooses
};

// Throws Error("matmul_nbits") for shapes, types or attributes outside the above. An empty y records nothing; k of 0 is
// refused.
void plan_matmul_nbits(const MatMulNBitsProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
