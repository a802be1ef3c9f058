// The norms and softmax in double precision: the tests' oracle.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

struct NormReference {
  uint32_t cols = 1;
  bool centred = false;                            // layer norm instead of RMS norm
  std::vector<float> x, skip, bias, weight, beta;  // skip repeats; skip, bias and beta may be empty
  float epsilon = 0;
  std::vector<float> inner = {};  // weight of the norm of x before the skip is added, or empty
  float inner_epsilon = 0;
  std::vector<float> y, sum, means, factors;  // what run() computes
  void run();
};

// Along the middle dimension of x (outer, cols, inner).
std::vector<float> softmax_reference(const std::vector<float>& x, uint32_t cols, uint32_t inner, bool log);

}  // namespace sluice::kernels
