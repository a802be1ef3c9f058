// LinearAttention in double precision: the tests' oracle.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

// As LinearAttentionProblem of linear_attention.h.
struct LinearAttentionReference {
  uint32_t batch = 1, tokens = 1, heads = 1, key_heads = 1, state_heads = 1, key_size = 1, value_size = 1;
  std::vector<float> query, key, value;
  std::vector<float> decay;  // empty: none; by head, or by head and key element
  std::vector<float> beta;   // empty: no delta rule; by head, or one a token
  double scale = 1;
  std::vector<double> state;  // (B, H, dk, dv): in and out
  std::vector<float> output;
  void run();

 private:
  void step(uint32_t token, uint32_t b, uint32_t head);
};

}  // namespace sluice::kernels
