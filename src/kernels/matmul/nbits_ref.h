// The definition of quantised rows in plain C++, for the oracles of MatMulNBits and QMoE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::kernels {

// Host data of NBitsWeights (nbits_plan.h); q holds one value an element and zero_points one a block, before any packing.
struct NBitsData {
  uint32_t matrices = 1, rows = 0, k = 0;
  uint32_t bits = 4;        // 0: `floats` instead of q
  uint32_t block_size = 0;  // 0: one block a row
  std::vector<uint8_t> q, zero_points;  // zero_points may be empty
  std::vector<float> scales, float_zero_points, floats;

  uint32_t blocks() const { return block_size == 0 ? 1 : (k + block_size - 1) / block_size; }
  float value(uint32_t matrix, uint32_t row, uint32_t k) const;
};

// Packs each run of `run` values by itself, low bits first, and pads it with zeros to `run_bytes`.
std::vector<uint8_t> pack_bits(const std::vector<uint8_t>& values, uint32_t bits, uint32_t run, uint32_t run_bytes);

}  // namespace sluice::kernels
