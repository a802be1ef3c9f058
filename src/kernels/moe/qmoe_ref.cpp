#include "kernels/moe/qmoe_ref.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sluice::kernels {
namespace {

struct Choice {
  uint32_t expert;
  double weight;
};

std::vector<Choice> choose(const QMoEProblem& p, const QMoEHost& h, uint32_t token) {
  const float* logits = h.router.data() + size_t{token} * h.experts;
  std::vector<uint32_t> order(h.experts);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return logits[a] > logits[b]; });
  std::vector<Choice> chosen;
  for (uint32_t j = 0; j < p.k; ++j) {
    const uint32_t e = order[j];
    chosen.push_back({e, h.router_weights.empty() ? std::exp(double{logits[e]} - logits[order[0]])
                                                  : h.router_weights[size_t{token} * h.experts + e]});
  }
  double sum = 0;
  if (p.bits == 0 && !p.normalize_routing_weights) {
    for (uint32_t e = 0; e < h.experts; ++e) sum += std::exp(double{logits[e]} - logits[order[0]]);
  } else {
    for (const Choice& c : chosen) sum += c.weight;
  }
  if (!h.router_weights.empty() && !p.normalize_routing_weights) sum = 1;
  for (Choice& c : chosen) c.weight = sum == 0 ? 0 : c.weight / sum;
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

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

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
