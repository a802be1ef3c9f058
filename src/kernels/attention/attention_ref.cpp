#include "kernels/attention/attention_ref.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace sluice::kernels {

void AttentionReference::row(uint32_t b, uint32_t head, uint32_t s) {
  const size_t unit = size_t{b} * kv_heads + head / (heads / kv_heads);
  const size_t row_at = (size_t{b} * heads + head) * seq + s;
  int64_t last = lengths.empty() ? keys : std::clamp<int64_t>(lengths[b], 0, keys), first = 0;
  const int64_t before = past_of == 0 ? past : past_of == 1 ? std::max<int64_t>(last - seq, 0) : last - int64_t{seq};
  if (causal) {
    const int64_t end = before + s + 1 + ahead;
    if (window > 0) first = std::max<int64_t>(0, end - int64_t{window});
    last = std::min(last, end);
  }
  std::vector<double> scores(keys, -INFINITY);
  double top = -INFINITY;
  for (uint32_t j = 0; j < keys; ++j) {
    double dot = 0;
    for (uint32_t d = 0; d < key_size; ++d)
      dot += double{query[row_at * key_size + d]} * key[(unit * capacity + j) * key_size + d];
    const double scaled = dot * scale;
    const double capped = softcap > 0 ? softcap * std::tanh(scaled / softcap) : scaled;
    const float added = mask.empty() ? 0 : mask[row_at * keys + j];
    const bool seen = j >= first && j < last && !std::isnan(added);
    if (seen) {
      scores[j] = capped + added;
      if (!padding.empty() && padding[(size_t{b} * seq + s) * keys + j] == 0) scores[j] += padding_score;
    }
    qk[0].push_back(static_cast<float>(scaled));
    qk[1].push_back(static_cast<float>(capped));
    qk[2].push_back(static_cast<float>(seen ? scores[j] : hidden));
    top = std::max(top, scores[j]);
  }
  const bool has_sink = smooth || !sink.empty();
  const double sink_score = sink.empty() ? 0 : sink[head];
  if (has_sink) top = std::max(top, sink_score);
  double sum = has_sink ? std::exp(sink_score - top) : 0;
  for (double& score : scores) sum += score = score == -INFINITY ? 0 : std::exp(score - top);
  for (const double weight : scores) qk[3].push_back(static_cast<float>(sum == 0 ? 0 : weight / sum));
  for (uint32_t d = 0; d < value_size; ++d) {
    double total = 0;
    for (uint32_t j = 0; j < keys; ++j) {
      if (scores[j] != 0) total += scores[j] / sum * value[(unit * capacity + j) * value_size + d];
    }
    output.push_back(static_cast<float>(total));
  }
}

void AttentionReference::run() {
  for (uint32_t b = 0; b < batch; ++b) {
    for (uint32_t head = 0; head < heads; ++head) {
      for (uint32_t s = 0; s < seq; ++s) row(b, head, s);
    }
  }
}

}  // namespace sluice::kernels
