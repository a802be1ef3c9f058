#include "kernels/conv/conv_ref.h"

#include <cstddef>

namespace sluice::kernels {

std::vector<float> ConvReference::run() const {
  std::vector<float> y;
  const uint32_t group_channels = channels / group;
  const auto at = [this](uint32_t b, uint32_t c, int64_t i, int64_t j) {
    if (i < 0 || j < 0 || i >= in[0] || j >= in[1]) return 0.0;
    return static_cast<double>(
        x[((size_t{b} * channels + c) * in[0] + static_cast<size_t>(i)) * in[1] + static_cast<size_t>(j)]);
  };
  const auto sum_of = [&](uint32_t b, uint32_t m, uint32_t i, uint32_t j) {
    double sum = bias.empty() ? 0 : bias[m];
    for (uint32_t c = 0; c < group_channels; ++c) {
      for (uint32_t tap = 0; tap < kernel[0] * kernel[1]; ++tap) {
        const uint32_t k = tap / kernel[1], l = tap % kernel[1];
        sum += w[(size_t{m} * group_channels + c) * kernel[0] * kernel[1] + tap] *
               at(b, m / (filters / group) * group_channels + c, int64_t{i} * stride[0] + k * dilation[0] - pad[0],
                  int64_t{j} * stride[1] + l * dilation[1] - pad[1]);
      }
    }
    return static_cast<float>(sum);
  };
  for (uint32_t bm = 0; bm < batch * filters; ++bm) {
    for (uint32_t ij = 0; ij < out[0] * out[1]; ++ij)
      y.push_back(sum_of(bm / filters, bm % filters, ij / out[1], ij % out[1]));
  }
  return y;
}

}  // namespace sluice::kernels
