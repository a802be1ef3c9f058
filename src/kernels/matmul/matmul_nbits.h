// MatMulNBits (com.microsoft): Y = A * dequantise(B)^T + bias (+ residual), with B in 2, 4 or 8 bits by blocks along K.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Which kernel runs; kAuto leaves the choice to the planner. Tests and benchmarks force one.
// kGemm: tiles of f32 multiply-adds; kMatrices: of subgroup matrices (f16 operands); kDots: of packed dot products of
// 8-bit integers.
enum class MatMulNBitsVariant : uint8_t { kAuto, kGemv, kGemm, kMatrices, kDots };

// B holds, for each of the n outputs, ceil(k / block_size) blocks of block_size values, low bits first; the last block
// is padded. value = (q - zero_point) * scale. Sums are f32, and products too with these exceptions. accuracy_level 4, a
// minimum, lets activations become bytes with a scale for every 32 of them or fewer: of one row, and of many where the
// device has packed dot products. Operands of many rows are rounded to f16 where a has that type and the device has
// subgroup matrices.
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

// Several products of the same a, which has one row, in one dispatch: of one k, bits, block size and accuracy_level,
// all or none with zero points (of one storage), all or none with a bias, types alike. Only the first of one may have a
// residual.
struct JoinedMatMulNBitsProblem {
  std::vector<MatMulNBitsProblem> products;  // 1 to 4
  // Two products g and u of one n give a single result, g * sigmoid(gate_alpha * g) * u, in the first one's y.
  bool gated = false;
  float gate_alpha = 1;
};

// Throws Error("matmul_nbits"), also where the device has fewer bindings than that needs: one for a, the norm's weight
// and each result, two to four for each product.
void plan_joined_matmul_nbits(const JoinedMatMulNBitsProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
