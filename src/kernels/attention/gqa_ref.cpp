#include "kernels/attention/gqa_ref.h"

#include <algorithm>
#include <cmath>

#include "base/half.h"

namespace sluice::kernels {
namespace {

float rounded(double value, bool half) {
  const auto f = static_cast<float>(value);
  return half ? half_to_float(float_to_half(f)) : f;
}

}  // namespace

uint32_t GqaReference::past(uint32_t b) const {
  return static_cast<uint32_t>(std::max(0, seqlens[b] + 1 - static_cast<int32_t>(seq)));
}

// One head of token s after norm and rotation.
std::vector<float> GqaReference::turned(const float* head, const std::vector<float>& norm, uint32_t b,
                                        uint32_t s) const {
  std::vector<double> x(head, head + head_size);
  if (!norm.empty()) {
    double squares = 0;
    for (double v : x) squares += v * v;
    for (uint32_t d = 0; d < head_size; ++d) x[d] *= norm[d] / std::sqrt(squares / head_size + epsilon);
  }
  uint32_t position = past(b) + s;
  if (!positions.empty()) {
    const bool first_prompt = past(b) == 0 && seq > 1;
    position = first_prompt ? positions[0] + s : positions[b * seq + s];
  }
  for (uint32_t i = 0; i < rotary_half; ++i) {
    const uint32_t a = interleaved ? 2 * i : i, other = interleaved ? 2 * i + 1 : i + rotary_half;
    const double c = cos[position * rotary_half + i], n = sin[position * rotary_half + i];
    const double first = x[a] * c - x[other] * n, second = x[other] * c + x[a] * n;
    x[a] = first;
    x[other] = second;
  }
  std::vector<float> result(head_size);
  std::transform(x.begin(), x.end(), result.begin(), [this](double v) { return rounded(v, half); });
  return result;
}

void GqaReference::append(uint32_t b, uint32_t s) {
  for (uint32_t h = 0; h < kv_heads; ++h) {
    const size_t from = (static_cast<size_t>(b * seq + s) * kv_heads + h) * head_size;
    const size_t to = (static_cast<size_t>(b * kv_heads + h) * capacity + past(b) + s) * head_size;
    const auto k = turned(&key[from], k_norm, b, s);
    std::copy(k.begin(), k.end(), key_cache.begin() + to);
    for (uint32_t d = 0; d < head_size; ++d) value_cache[to + d] = rounded(value[from + d], half);
  }
}

double GqaReference::score(const std::vector<float>& q, uint32_t b, uint32_t s, uint32_t head, uint32_t j) const {
  const uint32_t kv_head = head / (heads / kv_heads);
  const float* k = &key_cache[(static_cast<size_t>(b * kv_heads + kv_head) * capacity + j) * head_size];
  double dot = 0;
  for (uint32_t d = 0; d < head_size; ++d) dot += static_cast<double>(q[d]) * k[d];
  double result = dot * (scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(head_size)));
  if (softcap > 0) result = softcap * std::tanh(result / softcap);
  if (!bias.empty()) {
    const size_t row =
        (static_cast<size_t>(bias_batch == 1 ? 0 : b) * bias_heads + (bias_heads == 1 ? 0 : head)) * seq + s;
    result += bias[row * bias_total + j];
  }
  return result;
}

void GqaReference::attend(uint32_t b, uint32_t s, uint32_t head, float* out) {
  const auto q = turned(&query[(static_cast<size_t>(b * seq + s) * heads + head) * head_size], q_norm, b, s);
  const uint32_t seen = past(b) + s + 1, total = static_cast<uint32_t>(seqlens[b] + 1);
  const uint32_t last = causal ? std::min(seen, total) : total;
  const uint32_t first = window > 0 && seen > static_cast<uint32_t>(window) ? seen - window : 0;
  std::vector<double> row;
  for (uint32_t j = first; j < last; ++j) row.push_back(score(q, b, s, head, j));
  const bool has_sink = smooth || !sink.empty();
  const double sink_score = sink.empty() ? 0 : sink[head];
  double top = has_sink ? sink_score : -INFINITY;
  for (double v : row) top = std::max(top, v);
  const size_t qk_at = (static_cast<size_t>(b * heads + head) * seq + s) * qk_total + first;
  for (size_t i = 0; i < row.size() && qk_total > 0; ++i) scores[qk_at + i] = static_cast<float>(row[i]);
  std::vector<double> sum(head_size, 0);
  double total_weight = has_sink ? std::exp(sink_score - top) : 0;
  if (top == -INFINITY) row.clear();
  for (size_t i = 0; i < row.size(); ++i) {
    const double w = std::exp(row[i] - top);
    const float* v =
        &value_cache[(static_cast<size_t>(b * kv_heads + head / (heads / kv_heads)) * capacity + first + i) *
                     head_size];
    for (uint32_t d = 0; d < head_size; ++d) sum[d] += w * v[d];
    total_weight += w;
  }
  for (size_t i = 0; i < row.size() && qk_total > 0; ++i)
    weights[qk_at + i] = static_cast<float>(std::exp(row[i] - top) / total_weight);
  for (uint32_t d = 0; d < head_size; ++d) out[d] = static_cast<float>(total_weight == 0 ? 0 : sum[d] / total_weight);
}

std::vector<float> GqaReference::run() {
  for (uint32_t b = 0; b < batch; ++b) {
    for (uint32_t s = 0; s < seq; ++s) append(b, s);
  }
  scores.assign(static_cast<size_t>(batch) * heads * seq * qk_total, 0);
  weights = scores;
  std::vector<float> output(static_cast<size_t>(batch) * seq * heads * head_size);
  for (uint32_t b = 0; b < batch; ++b) {
    for (uint32_t s = 0; s < seq; ++s) {
      for (uint32_t h = 0; h < heads; ++h)
        attend(b, s, h, &output[(static_cast<size_t>(b * seq + s) * heads + h) * head_size]);
    }
  }
  for (size_t i = 0; i < gate.size(); ++i)
    output[i] = static_cast<float>(output[i] / (1 + std::exp(-static_cast<double>(gate[i]))));
  return output;
}

}  // namespace sluice::kernels
