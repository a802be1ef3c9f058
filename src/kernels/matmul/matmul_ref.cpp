#include "kernels/matmul/matmul_ref.h"

#include <algorithm>
#include <cmath>

namespace sluice::kernels {
namespace {

// The element of t at an index of `target`, broadcast from the right.
size_t broadcast_index(const std::vector<uint32_t>& shape, const std::vector<uint32_t>& index) {
  size_t at = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    at = at * shape[i] + (shape[i] == 1 ? 0 : index[index.size() - shape.size() + i]);
  }
  return at;
}

bool advance(std::vector<uint32_t>& index, const std::vector<uint32_t>& shape) {
  for (size_t i = shape.size(); i-- > 0;) {
    if (++index[i] < shape[i]) return true;
    index[i] = 0;
  }
  return false;
}

// A matrix product's operand with the batch of `index` and the given last two coordinates.
float element(const HostTensor& t, std::vector<uint32_t> index, uint32_t row, uint32_t column) {
  index[index.size() - 2] = row;
  index[index.size() - 1] = column;
  return t.values[broadcast_index(t.shape, index)];
}

}  // namespace

std::vector<float> matmul_nbits_reference(const std::vector<float>& a, const NBitsData& w,
                                          const std::vector<float>& bias, const std::vector<float>& residual) {
  const size_t m = a.size() / w.k;
  std::vector<float> y(m * w.rows);
  for (uint32_t n = 0; n < w.rows; ++n) {
    std::vector<float> row(w.k);
    for (uint32_t k = 0; k < w.k; ++k) row[k] = w.value(0, n, k);
    for (size_t i = 0; i < m; ++i) {
      double sum = bias.empty() ? 0 : bias[n];
      for (uint32_t k = 0; k < w.k; ++k) sum += double{a[i * w.k + k]} * row[k];
      if (!residual.empty()) sum += residual[i * w.rows + n];
      y[i * w.rows + n] = static_cast<float>(sum);
    }
  }
  return y;
}

std::vector<float> quantised_to_8_bits(const std::vector<float>& a, uint32_t block) {
  std::vector<float> result(a.size());
  for (size_t first = 0; first < a.size(); first += block) {
    float largest = 0;
    for (size_t i = first; i < first + block; ++i) largest = std::max(largest, std::abs(a[i]));
    if (largest == 0) continue;
    for (size_t i = first; i < first + block; ++i) result[i] = std::nearbyint(a[i] * (127 / largest)) * (largest / 127);
  }
  return result;
}

void matmul_reference(const HostTensor& a, const HostTensor& b, const HostTensor& c, bool trans_a, bool trans_b,
                      float alpha, float beta, HostTensor& y) {
  const size_t rank = y.shape.size();
  const uint32_t depth = trans_a ? a.shape[a.shape.size() - 2] : a.shape.back();
  y.values.clear();
  size_t elements = 1;
  for (const uint32_t size : y.shape) elements *= size;
  if (elements == 0) return;
  std::vector<uint32_t> index(rank, 0);
  do {
    const uint32_t row = index[rank - 2], column = index[rank - 1];
    double sum = 0;
    for (uint32_t k = 0; k < depth; ++k) {
      sum += double{trans_a ? element(a, index, k, row) : element(a, index, row, k)} *
             (trans_b ? element(b, index, column, k) : element(b, index, k, column));
    }
    sum *= alpha;
    if (!c.values.empty()) sum += double{beta} * c.values[broadcast_index(c.shape, index)];
    y.values.push_back(static_cast<float>(sum));
  } while (advance(index, y.shape));
}

}  // namespace sluice::kernels
