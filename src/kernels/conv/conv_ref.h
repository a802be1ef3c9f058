// Conv in double precision: the tests' oracle. Two spatial axes; one axis is a height of 1.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace sluice::kernels {

struct ConvReference {
  uint32_t batch = 1, channels = 1, filters = 1, group = 1;
  std::array<uint32_t, 2> in{1, 1}, kernel{1, 1}, stride{1, 1}, dilation{1, 1}, pad{0, 0}, out{1, 1};
  std::vector<float> x, w, bias;  // bias may be empty
  std::vector<float> run() const;
};

}  // namespace sluice::kernels
