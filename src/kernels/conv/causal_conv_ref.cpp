#include "kernels/conv/causal_conv_ref.h"

#include <cmath>

namespace sluice::kernels {

void CausalConvReference::run() {
  const uint32_t carried = (width - 1) * dilation;
  y.assign(size_t{batch} * channels * seq, 0);
  present.assign(size_t{batch} * channels * carried, 0);
  const auto place = [this](uint32_t b, uint32_t c, uint32_t t, uint32_t columns) {
    return channels_last ? (size_t{b} * columns + t) * channels + c : (size_t{b} * channels + c) * columns + t;
  };
  for (uint32_t channel = 0; channel < batch * channels; ++channel) {
    const uint32_t b = channel / channels, c = channel % channels;
    std::vector<double> z(carried, 0.0);
    for (uint32_t i = 0; i < carried && !past.empty(); ++i) z[i] = past[place(b, c, i, carried)];
    for (uint32_t t = 0; t < seq; ++t) z.push_back(x[place(b, c, t, seq)]);
    for (uint32_t t = 0; t < seq; ++t) {
      double sum = bias.empty() ? 0.0 : bias[c];
      for (uint32_t k = 0; k < width; ++k) sum += weight[size_t{c} * width + k] * z[t + k * dilation];
      y[place(b, c, t, seq)] = static_cast<float>(silu ? sum / (1 + std::exp(-sum)) : sum);
    }
    for (uint32_t i = 0; i < carried; ++i) present[place(b, c, i, carried)] = static_cast<float>(z[seq + i]);
  }
}

}  // namespace sluice::kernels
