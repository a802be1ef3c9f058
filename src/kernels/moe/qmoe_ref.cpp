#include "kernels/moe/qmoe_ref.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/half.h"

namespace sluice::kernels {
namespace {

struct Choice {
  uint32_t expert;
  double weight;
};

// Descending; NaN first. See qmoe.h for ties.
std::vector<uint32_t> by_logit(const QMoEProblem& p, const QMoEHost& h, const float* logits) {
  std::vector<uint32_t> order(h.experts);
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    if (std::isnan(logits[a]) != std::isnan(logits[b])) return std::isnan(logits[a]);
    if (!std::isnan(logits[a]) && logits[a] != logits[b]) return logits[a] > logits[b];
    return p.use_sparse_mixer || p.sigmoid.used ? a < b : a > b;
  });
  return order;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

float rounded(Storage storage, double v) {
  const auto single = static_cast<float>(v);
  return storage == Storage::kF16 ? half_to_float(float_to_half(single)) : single;
}

// What a sigmoid router compares; NaN where the logit is.
std::vector<float> choices(const QMoEProblem& p, const QMoEHost& h, const float* logits) {
  std::vector<float> result(h.experts);
  for (uint32_t e = 0; e < h.experts; ++e) {
    result[e] = rounded(p.sigmoid.rounding, sigmoid(logits[e]));
    if (!h.choice_bias.empty()) result[e] = rounded(p.sigmoid.rounding, result[e] + h.choice_bias[e]);
  }
  return result;
}

std::vector<double> sigmoid_weights(const QMoEProblem& p, const float* logits, const std::vector<uint32_t>& order) {
  std::vector<double> weights(p.k);
  double total = 0, sum = 0;
  for (uint32_t j = 0; j < p.k; ++j) {
    const double score = sigmoid(logits[order[j]]);
    total += score;
    sum += weights[j] = std::max(score, double{p.sigmoid.least});
  }
  for (double& weight : weights)
    weight = weight / sum * (p.sigmoid.epsilon == 0 ? 1 : total / (total + p.sigmoid.epsilon));
  return weights;
}

// In float, as the threshold decides between numbers.
double sparse_weight(const QMoEHost& h, const float* logits, uint32_t expert, uint32_t without) {
  double sum = 0;
  for (uint32_t e = 0; e < h.experts; ++e) {
    const bool far = logits[expert] - logits[e] > 0.02f * std::max(std::abs(logits[e]), logits[expert]);
    if (!far && e != without) sum += std::exp(double{logits[e]} - logits[expert]);
  }
  return std::isfinite(logits[expert]) ? 1 / sum : 0;
}

double softmax_sum(const QMoEProblem& p, const QMoEHost& h, const float* logits, const std::vector<uint32_t>& order) {
  const bool of_all = p.bits == 0 && !p.normalize_routing_weights;
  double sum = 0;
  for (uint32_t j = 0; j < (of_all ? h.experts : p.k); ++j)
    sum += std::exp(double{logits[order[j]]} - logits[order[0]]);
  return sum;
}

std::vector<double> mixing_weights(const QMoEProblem& p, const QMoEHost& h, uint32_t token,
                                   const std::vector<uint32_t>& order) {
  const float* logits = h.router.data() + size_t{token} * h.experts;
  if (p.sigmoid.used) return sigmoid_weights(p, logits, order);
  std::vector<double> weights(p.k);
  for (uint32_t j = 0; j < p.k; ++j) {
    if (p.use_sparse_mixer) {
      weights[j] = sparse_weight(h, logits, order[j], j == 0 ? h.experts : order[0]);
    } else if (!h.router_weights.empty()) {
      weights[j] = h.router_weights[size_t{token} * h.experts + order[j]];
    } else {
      weights[j] = std::exp(double{logits[order[j]]} - logits[order[0]]) / softmax_sum(p, h, logits, order);
    }
  }
  if (!h.router_weights.empty() && p.normalize_routing_weights) {
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (double& weight : weights) weight = sum == 0 ? 0 : weight / sum;
  }
  return weights;
}

std::vector<Choice> choose(const QMoEProblem& p, const QMoEHost& h, uint32_t token) {
  const float* logits = h.router.data() + size_t{token} * h.experts;
  const std::vector<uint32_t> order = by_logit(p, h, p.sigmoid.used ? choices(p, h, logits).data() : logits);
  const std::vector<double> weights = mixing_weights(p, h, token, order);
  std::vector<Choice> chosen;
  for (uint32_t j = 0; j < p.k; ++j) {
    if (weights[j] > (p.bits == 0 ? 0 : double{1e-8f})) chosen.push_back({order[j], p.scale * weights[j]});
  }
  return chosen;
}

std::vector<double> product(const QMoEHost::Expert& e, uint32_t expert, const std::vector<double>& x) {
  std::vector<double> y(e.weights.rows);
  for (uint32_t row = 0; row < e.weights.rows; ++row) {
    y[row] = e.bias.empty() ? 0 : e.bias[size_t{expert} * e.weights.rows + row];
    for (uint32_t k = 0; k < e.weights.k; ++k) y[row] += x[k] * e.weights.value(expert, row, k);
  }
  return y;
}

double swiglu(const QMoEProblem& p, double gate, double linear) {
  const double limit = p.swiglu_limit;
  const double g = std::min(gate, limit), l = std::clamp(linear, -limit, limit);
  return g * sigmoid(p.activation_alpha * g) * (l + p.activation_beta);
}

double activate(MoeActivation activation, double x) {
  switch (activation) {
    case MoeActivation::kRelu:
      return std::max(x, 0.0);
    case MoeActivation::kGelu:
      return 0.5 * x * (1 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
    case MoeActivation::kSilu:
      return x * sigmoid(x);
    default:
      return x;
  }
}

std::vector<double> inner_activations(const QMoEProblem& p, const QMoEHost& h, uint32_t expert,
                                      const std::vector<double>& x) {
  const std::vector<double> up = product(h.fc1, expert, x);
  const bool has_fc3 = h.fc3.weights.rows != 0;
  const std::vector<double> linear = has_fc3 ? product(h.fc3, expert, x) : std::vector<double>();
  std::vector<double> y(h.inner);
  for (uint32_t i = 0; i < h.inner; ++i) {
    if (p.activation != MoeActivation::kSwiglu) {
      y[i] = activate(p.activation, up[i]) * (has_fc3 ? linear[i] : 1);
    } else if (p.swiglu_fusion == 0) {
      y[i] = swiglu(p, up[i], linear[i]);
    } else if (p.swiglu_fusion == 1) {
      y[i] = swiglu(p, up[2 * i], up[2 * i + 1]);
    } else {
      y[i] = swiglu(p, up[i], up[h.inner + i]);
    }
  }
  return y;
}

}  // namespace

std::vector<float> qmoe_reference(const QMoEProblem& p, const QMoEHost& h) {
  std::vector<float> y(size_t{h.tokens} * h.hidden);
  for (uint32_t t = 0; t < h.tokens; ++t) {
    const auto begin = h.input.begin() + static_cast<ptrdiff_t>(t) * h.hidden;
    const std::vector<double> x(begin, begin + h.hidden);
    std::vector<double> sum(h.hidden, 0);
    for (const Choice& c : choose(p, h, t)) {
      const std::vector<double> down = product(h.fc2, c.expert, inner_activations(p, h, c.expert, x));
      for (uint32_t i = 0; i < h.hidden; ++i) sum[i] += c.weight * down[i];
    }
    for (uint32_t i = 0; i < h.hidden; ++i) {
      const size_t at = size_t{t} * h.hidden + i;
      y[at] = static_cast<float>(sum[i] + (h.residual.empty() ? 0 : h.residual[at]));
    }
  }
  return y;
}

}  // namespace sluice::kernels
