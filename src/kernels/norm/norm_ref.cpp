#include "kernels/norm/norm_ref.h"

#include <cmath>

namespace sluice::kernels {

void NormReference::run() {
  y.resize(x.size());
  sum.resize(x.size());
  std::vector<double> v(cols);
  for (size_t row = 0; row < x.size() / cols; ++row) {
    double mean = 0, squares = 0, inner_squares = 0;
    for (uint32_t i = 0; i < cols; ++i) inner_squares += double{x[row * cols + i]} * x[row * cols + i];
    const double inner_scale = 1 / std::sqrt(inner_squares / cols + inner_epsilon);
    for (uint32_t i = 0; i < cols; ++i) {
      const size_t at = row * cols + i;
      v[i] = x[at] * (inner.empty() ? 1.0 : inner_scale * inner[i]) + (skip.empty() ? 0.0 : skip[at % skip.size()]) +
             (bias.empty() ? 0.0 : bias[i]);
      sum[at] = static_cast<float>(v[i]);
      mean += v[i] / cols;
    }
    if (!centred) mean = 0;
    for (double d : v) squares += (d - mean) * (d - mean);
    const double scale = 1 / std::sqrt(squares / cols + epsilon);
    means.push_back(static_cast<float>(mean));
    factors.push_back(static_cast<float>(scale));
    for (uint32_t i = 0; i < cols; ++i) {
      y[row * cols + i] = static_cast<float>((v[i] - mean) * scale * weight[i] + (beta.empty() ? 0.0 : beta[i]));
    }
  }
}

std::vector<float> softmax_reference(const std::vector<float>& x, uint32_t cols, uint32_t inner, bool log) {
  std::vector<float> y(x.size());
  for (size_t row = 0; row < x.size() / cols; ++row) {
    const size_t base = row / inner * inner * cols + row % inner;
    double top = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < cols; ++i) top = std::fmax(top, x[base + size_t{i} * inner]);
    for (uint32_t i = 0; i < cols; ++i) sum += std::exp(x[base + size_t{i} * inner] - top);
    for (uint32_t i = 0; i < cols; ++i) {
      const size_t at = base + size_t{i} * inner;
      y[at] = static_cast<float>(log ? x[at] - top - std::log(sum) : std::exp(x[at] - top) / sum);
    }
  }
  return y;
}

}  // namespace sluice::kernels
