// The definition of quantised rows in plain C++, for the oracles of MatMulNBits and QMoE.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::kernels {

// Host data of NBitsWeights (nbits_plan.h); q holds one value an element and zero_points one a block, before any
// packing.
struct NBitsData {
  uint32_t matrices = 1, rows = 0, k = 0;
  uint32_t bits = 4;                    // 0: `floats` instead of q
  uint32_t block_size = 0;              // 0: one block a row
  std::vector<uint8_t> q, zero_points;  // zero_points may be empty
  std::vector<float> scales, float_zero_points, floats;

  uint32_t blocks() const { return block_size == 0 ? 1 : (k + block_size - 1) / block_size; }
  float value(uint32_t matrix, uint32_t row, uint32_t k) const;
};

inline float NBitsData::value(uint32_t matrix, uint32_t row, uint32_t column) const {
  const uint64_t line = uint64_t{matrix} * rows + row;
  if (bits == 0) return floats[line * k + column];
  const uint64_t block = line * blocks() + (block_size == 0 ? 0 : column / block_size);
  float zero = static_cast<float>(1u << (bits - 1));
  if (!zero_points.empty()) zero = zero_points[block];
  if (!float_zero_points.empty()) zero = float_zero_points[block];
  return (static_cast<float>(q[line * k + column]) - zero) * scales[block];
}

// What is left of rows of k activations as bytes: in every `block` of a row, multiples of 1/127 of the largest.
inline std::vector<float> quantised_to_8_bits(std::vector<float> a, size_t k, size_t block) {
  for (size_t first = 0, end = 0; first < a.size(); first = end) {
    end = std::min(first + block, (first / k + 1) * k);
    float largest = 0;
    for (size_t i = first; i < end; ++i) largest = std::max(largest, std::abs(a[i]));
    for (size_t i = first; i < end && largest > 0; ++i) a[i] = std::rint(a[i] * (127 / largest)) * (largest / 127);
  }
  return a;
}

// Packs each run of `run` values by itself, low bits first, and pads it with zeros to `run_bytes`.
inline std::vector<uint8_t> pack_bits(const std::vector<uint8_t>& values, uint32_t bits, uint32_t run,
                                      uint32_t run_bytes) {
  std::vector<uint8_t> packed(values.size() / run * run_bytes, 0);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t bit = i % run * bits;
    packed[i / run * run_bytes + bit / 8] |= static_cast<uint8_t>(values[i] << (bit % 8));
  }
  return packed;
}

}  // namespace sluice::kernels
