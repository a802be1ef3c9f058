#include "kernels/matmul/nbits_ref.h"

namespace sluice::kernels {

float NBitsData::value(uint32_t matrix, uint32_t row, uint32_t column) const {
  const uint64_t line = uint64_t{matrix} * rows + row;
  if (bits == 0) return floats[line * k + column];
  const uint64_t block = line * blocks() + (block_size == 0 ? 0 : column / block_size);
  float zero = static_cast<float>(1u << (bits - 1));
  if (!zero_points.empty()) zero = zero_points[block];
  if (!float_zero_points.empty()) zero = float_zero_points[block];
  return (static_cast<float>(q[line * k + column]) - zero) * scales[block];
}

std::vector<uint8_t> pack_bits(const std::vector<uint8_t>& values, uint32_t bits, uint32_t run, uint32_t run_bytes) {
  std::vector<uint8_t> packed(values.size() / run * run_bytes, 0);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t bit = i % run * bits;
    packed[i / run * run_bytes + bit / 8] |= static_cast<uint8_t>(values[i] << (bit % 8));
  }
  return packed;
}

}  // namespace sluice::kernels
