// GroupQueryAttention written out in double precision: the tests' oracle, never fast.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

struct GqaReference {
  uint32_t batch = 1, seq = 1, heads = 1, kv_heads = 1, head_size = 8, capacity = 1;
  std::vector<float> query;                   // (B, S, Nq, D)
  std::vector<float> key, value;              // (B, S, Nkv, D)
  std::vector<float> key_cache, value_cache;  // (B, Nkv, C, D); run() appends the new rows
  std::vector<int32_t> seqlens;               // (B), total length minus 1
  std::vector<float> cos, sin;                // (rows, rotary_half)
  uint32_t rotary_half = 0;                   // 0: no rotation
  bool interleaved = false;
  std::vector<int32_t> positions;  // optional (B, S)
  std::vector<float> bias;         // optional (bias_batch, bias_heads, S, bias_total)
  uint32_t bias_batch = 1, bias_heads = 1, bias_total = 0;
  std::vector<float> sink;            // optional (Nq)
  std::vector<float> q_norm, k_norm;  // optional (D)
  std::vector<float> gate;            // optional (B, S, Nq, D)
  float scale = 0, softcap = 0, epsilon = 1e-6f;
  int32_t window = -1;
  bool smooth = false;
  bool causal = true;
  uint32_t qk_total = 0;               // columns of the two below; 0: they stay empty
  std::vector<float> scores, weights;  // (B, Nq, S, qk_total), 0 where a row does not see a key
  bool half = false;                   // rotated queries and cached rows are rounded to float16

  std::vector<float> run();  // output (B, S, Nq, D)

 private:
  uint32_t past(uint32_t b) const;
  std::vector<float> turned(const float* head, const std::vector<float>& norm, uint32_t b, uint32_t s) const;
  void append(uint32_t b, uint32_t s);
  void attend(uint32_t b, uint32_t s, uint32_t head, float* out);
  double score(const std::vector<float>& q, uint32_t b, uint32_t s, uint32_t head, uint32_t j) const;
};

}  // namespace sluice::kernels
