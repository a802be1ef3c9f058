#include "kernels/attention/linear_attention_ref.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace sluice::kernels {

void LinearAttentionReference::step(uint32_t token, uint32_t b, uint32_t head) {
  double* s = &state[(size_t{b} * state_heads + head) * key_size * value_size];
  const float* k = &key[(size_t{token} * key_heads + head / (state_heads / key_heads)) * key_size];
  const float* v = &value[(size_t{token} * state_heads + head) * value_size];
  const bool by_key = decay.size() > size_t{batch} * tokens * state_heads;
  for (uint32_t i = 0; i < key_size && !decay.empty(); ++i) {
    const size_t at = size_t{token} * state_heads + head;
    const double factor = std::exp(double{decay[by_key ? at * key_size + i : at]});
    for (uint32_t j = 0; j < value_size; ++j) s[i * value_size + j] *= factor;
  }
  for (uint32_t j = 0; j < value_size; ++j) {
    double delta = v[j];
    if (!beta.empty()) {
      for (uint32_t i = 0; i < key_size; ++i) delta -= s[i * value_size + j] * k[i];
      delta *= beta.size() == size_t{batch} * tokens ? beta[token] : beta[size_t{token} * state_heads + head];
    }
    for (uint32_t i = 0; i < key_size; ++i) s[i * value_size + j] += k[i] * delta;
  }
  const uint32_t outputs = std::max(heads, state_heads), group = std::max(heads / state_heads, 1u);
  for (uint32_t g = 0; g < group; ++g) {
    const uint32_t q_head = heads >= state_heads ? head * group + g : head / (state_heads / heads);
    const float* q = &query[(size_t{token} * heads + q_head) * key_size];
    for (uint32_t j = 0; j < value_size; ++j) {
      double sum = 0;
      for (uint32_t i = 0; i < key_size; ++i) sum += q[i] * s[i * value_size + j];
      output[(size_t{token} * outputs + head * group + g) * value_size + j] = static_cast<float>(scale * sum);
    }
  }
}

void LinearAttentionReference::run() {
  output.assign(size_t{batch} * tokens * std::max(heads, state_heads) * value_size, 0);
  for (uint32_t token = 0; token < batch * tokens; ++token) {
    for (uint32_t head = 0; head < state_heads; ++head) step(token, token / tokens, head);
  }
}

}  // namespace sluice::kernels
