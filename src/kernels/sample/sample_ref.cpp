#include "kernels/sample/sample_ref.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace sluice::kernels::ref {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float penalised(float logit, uint32_t past, const SampleSettings& s) {
  if (past != 0 && s.repetition_penalty != 1) {
    logit = logit > 0 ? logit / s.repetition_penalty : logit * s.repetition_penalty;
  }
  const uint32_t times = past & 0x7fffffffu;
  if (times > 0) logit -= s.frequency_penalty * static_cast<float>(times) + s.presence_penalty;
  if (s.temperature > 0) logit /= s.temperature;
  if (std::isnan(logit)) return -kInfinity;
  return logit == 0 ? 0.0f : logit;
}

uint64_t mass_of(float value, float greatest) {
  if (value == greatest) return 0x80000000u;
  const float distance = greatest - value;
  if (!(distance < 22)) return 0;
  return static_cast<uint64_t>(std::min(std::exp(-distance), 1.0f) * 0x1p31f);
}

// a * b / 2^32, rounded down or up.
uint64_t scale(uint64_t a, uint32_t b, bool up) {
  const uint64_t high = (a >> 32) * b, low = (a & 0xffffffffu) * b;
  return high + (low >> 32) + (up && (low & 0xffffffffu) != 0 ? 1 : 0);
}

// The least of the most massive values, in descending order, that together reach the target.
float top_p_threshold(const std::vector<float>& values, float least, float greatest, float top_p) {
  std::vector<float> kept;
  uint64_t total = 0;
  for (const float v : values) {
    if (v < least) continue;
    kept.push_back(v);
    total += mass_of(v, greatest);
  }
  std::sort(kept.begin(), kept.end(), std::greater<>());
  const auto share = static_cast<uint32_t>(std::clamp(top_p, 0.0f, 0.99999994f) * 0x1p32f);
  const uint64_t target = std::max<uint64_t>(scale(total, share, true), 1);
  uint64_t sum = 0;
  for (const float v : kept) {
    sum += mass_of(v, greatest);
    if (sum >= target) return v;
  }
  return least;
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xd2511f53u} * c[0], b = uint64_t{0xcd9e8d57u} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ key[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9e3779b9u;
    key[1] += 0xbb67ae85u;
  }
  return c;
}

Distribution distribution(const std::vector<float>& logits, const std::vector<uint32_t>& history,
                          const SampleSettings& settings) {
  Distribution d;
  for (size_t i = 0; i < logits.size(); ++i) d.values.push_back(penalised(logits[i], history[i], settings));
  const auto best = std::max_element(d.values.begin(), d.values.end());
  d.greedy = static_cast<uint32_t>(best - d.values.begin());
  d.threshold = -kInfinity;
  if (settings.top_k > 0 && settings.top_k < logits.size()) {
    auto sorted = d.values;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    d.threshold = sorted[settings.top_k - 1];
  }
  if (settings.top_p < 1) d.threshold = top_p_threshold(d.values, d.threshold, *best, settings.top_p);
  if (settings.min_p > 0) {
    d.threshold = std::max(d.threshold, *best + std::min(std::log(settings.min_p), 0.0f));
  }
  for (const float v : d.values) d.masses.push_back(v >= d.threshold ? mass_of(v, *best) : 0);
  return d;
}

uint32_t draw(const Distribution& d, const SampleSettings& settings, uint32_t step) {
  const bool nothing = d.values[d.greedy] == -kInfinity;
  if (!(settings.temperature > 0) || nothing) return d.greedy;
  const uint64_t total = std::accumulate(d.masses.begin(), d.masses.end(), uint64_t{0});
  const uint64_t drawn = scale(total, philox({step, 0, 0, 0}, {settings.seed_lo, settings.seed_hi})[0], false);
  uint64_t through = 0;
  for (size_t i = 0; i < d.masses.size(); ++i) {
    through += d.masses[i];
    if (drawn < through) return static_cast<uint32_t>(i);
  }
  return d.greedy;
}

int32_t sample(const std::vector<float>& logits, const SampleSettings& settings, DecodeState& state,
               std::vector<uint32_t>& history) {
  const uint32_t step = state.step++;
  if (state.active == 0) return -1;
  const uint32_t id = draw(distribution(logits, history, settings), settings, step);
  ++history[id];
  for (uint32_t k = 0; k < std::min(settings.stop_count, kMaxStopIds); ++k) {
    if (settings.stop_ids[k] == id) state.active = 0;
  }
  return static_cast<int32_t>(id);
}

}  // namespace sluice::kernels::ref
