// CausalConvWithState in double precision: the tests' oracle.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

struct CausalConvReference {
  uint32_t batch = 1, channels = 1, seq = 1, width = 1;
  bool silu = false;
  uint32_t dilation = 1;
  bool channels_last = false;                // x, y and states are (B, time, C)
  std::vector<float> x, weight, bias, past;  // bias and past may be empty
  std::vector<float> y, present;             // what run() computes
  void run();
};

}  // namespace sluice::kernels
