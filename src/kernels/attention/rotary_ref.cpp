#include "kernels/attention/rotary_ref.h"

#include <cstddef>

namespace sluice::kernels {

std::vector<float> RotaryReference::run(const std::vector<float>& x) const {
  std::vector<float> y = x;
  for (uint32_t b = 0; b < batch; ++b) {
    for (uint32_t s = 0; s < seq; ++s) {
      for (uint32_t h = 0; h < heads; ++h) {
        const size_t unit = head_major ? (size_t{b} * heads + h) * seq + s : (size_t{b} * seq + s) * heads + h;
        for (uint32_t i = 0; i < rotary_half; ++i) {
          const size_t first = unit * head_size + (interleaved ? 2 * i : i);
          const size_t second = first + (interleaved ? 1 : rotary_half);
          const size_t at = static_cast<size_t>(rows[b * seq + s]) * rotary_half + i;
          const double c = cos[at], n = sin[at];
          y[first] = static_cast<float>(x[first] * c - x[second] * n);
          y[second] = static_cast<float>(x[second] * c + x[first] * n);
        }
      }
    }
  }
  return y;
}

}  // namespace sluice::kernels
