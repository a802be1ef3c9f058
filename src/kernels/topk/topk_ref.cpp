#include "kernels/topk/topk_ref.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace sluice::kernels {
namespace {

bool above(double a, double b) {
  if (std::isnan(a)) return !std::isnan(b);
  return a > b;  // false if b is NaN
}

}  // namespace

TopKResult topk_reference(const std::vector<double>& x, const std::vector<uint32_t>& shape, uint32_t axis, uint32_t k,
                          bool largest) {
  size_t outer = 1, stride = 1;
  for (size_t i = 0; i < shape.size(); ++i) (i < axis ? outer : stride) *= i == axis ? 1 : shape[i];
  const size_t n = shape[axis];
  TopKResult result;
  result.values.resize(outer * k * stride);
  result.indices.resize(result.values.size());
  for (size_t column = 0; column < outer * stride; ++column) {
    const auto at = [&](size_t size, size_t i) { return (column / stride * size + i) * stride + column % stride; };
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return largest ? above(x[at(n, a)], x[at(n, b)]) : above(x[at(n, b)], x[at(n, a)]);
    });
    for (size_t i = 0; i < k; ++i) {
      result.values[at(k, i)] = x[at(n, order[i])];
      result.indices[at(k, i)] = static_cast<int32_t>(order[i]);
    }
  }
  return result;
}

}  // namespace sluice::kernels
