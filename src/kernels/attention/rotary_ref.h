// RotaryEmbedding in double precision: the tests' oracle.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

struct RotaryReference {
  uint32_t batch = 1, seq = 1, heads = 1, head_size = 2, rotary_half = 1;
  bool head_major = false;  // x is (B, N, S, D) instead of (B, S, N, D)
  bool interleaved = false;
  std::vector<float> cos, sin;  // (rows, rotary_half)
  std::vector<int32_t> rows;    // of the tables, one per token (B, S)
  std::vector<float> run(const std::vector<float>& x) const;
};

}  // namespace sluice::kernels
