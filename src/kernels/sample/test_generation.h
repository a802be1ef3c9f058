// A generation on the device for the sampler's tests, and what they feed it.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/common/runner.h"
#include "kernels/sample/sample.h"
#include "kernels/sample/state.h"
#include "kernels/sample/test_words.h"

namespace sluice::kernels::test {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Its buffers, and steps over given logits.
class Generation {
 public:
  Generation(const SampleSettings& settings, const DecodeState& state, const std::vector<uint32_t>& history,
             uint32_t ring = 4)
      : runner_(test_device()) {
    problem_.settings = upload_words(runner_, &settings, kSampleSettingsWords);
    problem_.state = upload_words(runner_, &state, kDecodeStateWords);
    problem_.history = upload_words(runner_, history.data(), static_cast<uint32_t>(history.size()));
    problem_.next_ids = runner_.upload({1}, {-7});
    problem_.ring = runner_.upload({ring}, std::vector<int32_t>(ring, -7));
  }

  // Records and runs one step; the row below another one checks that the last is taken.
  void step(const std::vector<float>& logits, Storage storage = Storage::kF32) {
    std::vector<float> rows(logits.size(), 50.0f);
    rows.insert(rows.end(), logits.begin(), logits.end());
    problem_.logits = runner_.upload(storage, {1, 2, static_cast<uint32_t>(logits.size())}, rows);
    const size_t first = runner_.recorder().scratch_tensors().size();
    plan_sample(problem_, runner_.recorder());
    runner_.run();
    values_ = runner_.recorder().scratch_tensors()[first];
    choice_ = runner_.recorder().scratch_tensors()[first + 5];
  }

  void plan_greedy() { problem_.greedy = true; }

  int32_t next() { return runner_.read_ints(problem_.next_ids)[0]; }
  std::vector<int32_t> ring() { return runner_.read_ints(problem_.ring); }
  DecodeState state() {
    DecodeState state;
    const auto words = runner_.read_ints(problem_.state);
    std::memcpy(static_cast<void*>(&state), words.data(), sizeof(state));
    return state;
  }
  std::vector<uint32_t> history() {
    const auto words = runner_.read_ints(problem_.history);
    return {words.begin(), words.end()};
  }
  // The threshold's order key that the filters came to.
  uint32_t threshold_key() { return static_cast<uint32_t>(runner_.read_ints(choice_)[0]); }
  // The logits after penalties and temperature.
  std::vector<float> values() { return runner_.read_floats(values_); }

 private:
  Runner runner_;
  SampleProblem problem_;
  Tensor values_, choice_;
};

inline uint32_t key_of(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// Multiples of 1/16, hence many equals and exact in float16; or what comes.
inline std::vector<float> random_logits(std::mt19937& random, uint32_t count, float spread, bool rounded = true) {
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(count);
  for (float& v : logits) v = rounded ? std::round(normal(random) * 16) / 16 : normal(random);
  return logits;
}

inline SampleSettings with(float temperature, uint32_t top_k, float top_p, float min_p) {
  SampleSettings s;
  s.temperature = temperature;
  s.top_k = top_k;
  s.top_p = top_p;
  s.min_p = min_p;
  s.seed_lo = 42;
  s.seed_hi = 7;
  return s;
}

}  // namespace sluice::kernels::test
