// Attention in double precision: the tests' oracle.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

// As AttentionProblem of attention.h, every tensor in the plain order (batch, head, row, element).
struct AttentionReference {
  uint32_t batch = 1, seq = 1, heads = 1, kv_heads = 1, keys = 1, capacity = 1, key_size = 1, value_size = 1;
  std::vector<float> query, key, value;  // (B, N, S, D), (B, Nkv, C, D), (B, Nkv, C, Dv)
  std::vector<int32_t> lengths;          // optional (B)
  bool causal = false, smooth = false;
  int past_of = 0;  // PastOf
  int64_t past = 0;
  uint32_t window = 0, ahead = 0;
  double scale = 1, softcap = 0, padding_score = 0, hidden = 0;
  std::vector<float> mask;       // optional (B, N, S, T): added; NaN hides
  std::vector<int32_t> padding;  // optional (B, S, T): 0 adds padding_score
  std::vector<float> sink;       // optional (N)

  std::vector<float> output;  // (B, N, S, Dv): what run() computes
  std::vector<float> qk[4];   // by QkOutput, (B, N, S, T)
  void run();

 private:
  void row(uint32_t b, uint32_t head, uint32_t s);
};

}  // namespace sluice::kernels
