#include "kernels/conv/causal_conv_ref.h"

#include <cmath>

namespace sluice::kernels {

void CausalConvReference::run() {
  const uint32_t carried = width - 1;
  y.clear();
  present.clear();
  for (uint32_t channel = 0; channel < batch * channels; ++channel) {
    const uint32_t c = channel % channels;
    std::vector<double> z(carried, 0.0);
    for (uint32_t i = 0; i < carried && !past.empty(); ++i) z[i] = past[size_t{channel} * carried + i];
    for (uint32_t t = 0; t < seq; ++t) z.push_back(x[size_t{channel} * seq + t]);
    for (uint32_t t = 0; t < seq; ++t) {
      double sum = bias.empty() ? 0.0 : bias[c];
      for (uint32_t k = 0; k < width; ++k) sum += weight[size_t{c} * width + k] * z[t + k];
      y.push_back(static_cast<float>(silu ? sum / (1 + std::exp(-sum)) : sum));
    }
    for (uint32_t i = 0; i < carried; ++i) present.push_back(static_cast<float>(z[seq + i]));
  }
}

}  // namespace sluice::kernels
