// Every setting against the reference: penalties, filters, draws.
#include "kernels/sample/sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/sample/sample_ref.h"
#include "kernels/sample/test_generation.h"

namespace sluice::kernels {
namespace {

using test::Generation;
using test::key_of;
using test::kInf;
using test::kNan;
using test::random_logits;
using test::with;

std::string text(const SampleSettings& s) {
  return fmt::format("temperature {} top_k {} top_p {} min_p {} repetition {} presence {} frequency {}", s.temperature,
                     s.top_k, s.top_p, s.min_p, s.repetition_penalty, s.presence_penalty, s.frequency_penalty);
}

constexpr uint32_t kDivisionUlps = 3;  // what WGSL allows, rounded up

uint64_t kept_mass(const ref::Distribution& d, const std::vector<bool>& kept, uint64_t& difference) {
  uint64_t total = 0;
  for (size_t i = 0; i < kept.size(); ++i) {
    total += d.masses[i];
    const bool expected = d.values[i] >= d.threshold;
    if (expected != kept[i]) difference += d.masses[i] + 1;
  }
  return total;
}

// The kept sets must agree, but for what a last bit of exp() may decide at the end of top-p or min-p. The division by
// the temperature may be off by some units in the last place too, so values that close to the threshold are on either
// side.
void check_kept(Generation& generation, const ref::Distribution& d, const std::string& what) {
  const uint32_t threshold = generation.threshold_key();
  std::vector<bool> kept;
  size_t actual = 0, expected = 0;
  for (const float v : d.values) {
    const uint32_t key = key_of(v);
    const bool at_threshold = (key > threshold ? key - threshold : threshold - key) <= kDivisionUlps;
    kept.push_back(at_threshold ? v >= d.threshold : key >= threshold);
    actual += kept.back();
    expected += v >= d.threshold;
  }
  uint64_t difference = 0;
  const uint64_t total = kept_mass(d, kept, difference);
  if (difference == 0) return;
  // A value on the other side of the boundary has the boundary's value.
  const bool close = static_cast<double>(difference) < 1e-5 * static_cast<double>(total);
  EXPECT_TRUE(close) << what << " kept " << actual << ", expected " << expected;
}

void check_draw(Generation& generation, const ref::Distribution& d, const SampleSettings& s, uint32_t step,
                const std::string& what) {
  const auto id = static_cast<uint32_t>(generation.next());
  const uint32_t expected = ref::draw(d, s, step);
  if (id == expected) return;
  // The device's exp() may differ in its last bits, which moves the boundaries between ids a little.
  ASSERT_LT(id, d.masses.size()) << what;
  const double total = static_cast<double>(std::accumulate(d.masses.begin(), d.masses.end(), uint64_t{0}));
  const double drawn = ref::philox({step, 0, 0, 0}, {s.seed_lo, s.seed_hi})[0] * 0x1p-32;
  const double before =
      static_cast<double>(std::accumulate(d.masses.begin(), d.masses.begin() + id, uint64_t{0})) / total;
  const double through = before + static_cast<double>(d.masses[id]) / total;
  EXPECT_TRUE(drawn > before - 1e-5 && drawn < through + 1e-5 && d.masses[id] > 0)
      << what << " drew " << id << ", expected " << expected;
}

void check_step(const std::vector<float>& logits, const std::vector<uint32_t>& history, const SampleSettings& s,
                uint32_t step, Storage storage = Storage::kF32) {
  DecodeState state{9, step, 1, 0};
  Generation generation(s, state, history);
  generation.step(logits, storage);
  const auto d = ref::distribution(logits, history, s);
  const std::string what = fmt::format("{} of {} logits, step {}", text(s), logits.size(), step);
  const auto values = generation.values();
  for (size_t i = 0; i < values.size() && d.values[i] > -kInf; ++i) {
    ASSERT_NEAR(values[i], d.values[i], 1e-6f * std::max(1.0f, std::fabs(d.values[i]))) << what << " logit " << i;
  }
  if (s.temperature > 0 && d.values[d.greedy] > -kInf) check_kept(generation, d, what);
  check_draw(generation, d, s, step, what);
  const auto id = static_cast<uint32_t>(generation.next());
  EXPECT_EQ(generation.ring()[step % 4], generation.next()) << what;
  EXPECT_EQ(generation.state().step, step + 1) << what;
  EXPECT_EQ(generation.state().past_length, 9u) << what;
  ASSERT_LT(id, history.size()) << what;
  auto expected = history;
  ++expected[id];
  EXPECT_EQ(generation.history(), expected) << what;
}

TEST(Sample, PhiloxKnownAnswers) {
  using A4 = std::array<uint32_t, 4>;
  EXPECT_EQ(ref::philox({0, 0, 0, 0}, {0, 0}), (A4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t f = 0xffffffffu;
  EXPECT_EQ(ref::philox({f, f, f, f}, {f, f}), (A4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Sample, SettingsOverVocabularies) {
  std::mt19937 random(1);
  const SampleSettings all[] = {with(0, 0, 1, 0),     with(1, 0, 1, 0),           with(0.7f, 50, 1, 0),
                                with(1, 1, 1, 0),     with(1, 0, 0.9f, 0),        with(1, 0, 0.0f, 0),
                                with(1, 0, 1, 0.05f), with(1, 0, 1, 1),           with(0.8f, 40, 0.95f, 0.02f),
                                with(2, 3, 0.5f, 0),  with(1.5f, 255, 0.999f, 0), with(0.3f, 100000, 0.3f, 0.3f)};
  for (const uint32_t count : {1u, 2u, 3u, 255u, 256u, 257u, 2047u, 2048u, 2049u, 4099u}) {
    for (const SampleSettings& s : all) {
      check_step(random_logits(random, count, 3), std::vector<uint32_t>(count), s, random() % 1000);
      check_step(random_logits(random, count, 1, false), std::vector<uint32_t>(count), s, random() % 1000);
      if (HasFailure()) return;
    }
  }
}

TEST(Sample, LargeVocabulary) {
  std::mt19937 random(2);
  const uint32_t count = 201088;
  for (const SampleSettings& s : {with(0, 0, 1, 0), with(1, 0, 1, 0), with(0.9f, 50, 0.95f, 0), with(1, 0, 0.9f, 0),
                                  with(1, 20000, 0.99f, 0), with(1, 0, 1, 0.1f)}) {
    check_step(random_logits(random, count, 4), std::vector<uint32_t>(count), s, 3);
    check_step(random_logits(random, count, 0.05f), std::vector<uint32_t>(count), s, 4);
    if (HasFailure()) return;
  }
}

TEST(Sample, RandomSettingsPenaltiesAndStorages) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> unit(0, 1);
  for (int i = 0; i < 150; ++i) {
    const uint32_t count = 1 + random() % 6000;
    SampleSettings s = with(0.2f + 2 * unit(random), random() % 3 ? 0 : random() % 200,
                            unit(random) < 0.5f ? 1 : unit(random), unit(random) < 0.5f ? 0 : unit(random) * 0.3f);
    s.repetition_penalty = unit(random) < 0.5f ? 1 : 0.5f + unit(random);
    s.presence_penalty = unit(random) - 0.5f;
    s.frequency_penalty = unit(random) * 0.25f;
    s.seed_lo = random();
    s.seed_hi = random();
    if (i % 10 == 0) s.temperature = 0;
    std::vector<uint32_t> history(count);
    for (uint32_t& h : history) h = random() % 3 ? 0 : (random() % 2) << 31 | random() % 4;
    const bool half = test_device().caps().f16 && i % 2;
    auto logits = random_logits(random, count, 4, half || i % 4);
    if (i % 3 == 0) logits[random() % count] = kNan;
    if (i % 5 == 0) logits[random() % count] = -kInf;
    check_step(logits, history, s, random() % 100, half ? Storage::kF16 : Storage::kF32);
    if (HasFailure()) return;
  }
}

// 20,000 draws of 10 ids: chi-square with 9 degrees of freedom stays below 33.7 but for 1 in 10,000.
TEST(Sample, FrequenciesFollowProbabilities) {
  const std::vector<float> logits = {0, 1, 2, 0.5f, -1, 1.5f, 0, -0.5f, 2.5f, 1};
  const SampleSettings s = with(1, 0, 1, 0);
  const auto d = ref::distribution(logits, std::vector<uint32_t>(10), s);
  const double total = static_cast<double>(std::accumulate(d.masses.begin(), d.masses.end(), uint64_t{0}));
  std::vector<uint32_t> counts(10);
  for (uint32_t step = 0; step < 20000; ++step) ++counts[ref::draw(d, s, step)];
  double chi = 0;
  for (size_t i = 0; i < 10; ++i) {
    const double expected = 20000 * static_cast<double>(d.masses[i]) / total;
    chi += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  EXPECT_LT(chi, 33.7);
  // The device draws the very same ids.
  Generation generation(s, {}, std::vector<uint32_t>(10), 1);
  for (uint32_t step = 0; step < 200; ++step) {
    generation.step(logits);
    check_draw(generation, d, s, step, "frequencies, step " + std::to_string(step));
  }
}

TEST(Sample, Refusals) {
  const gpu::Caps caps;
  const SampleProblem good{{1, Storage::kF32, {2, 8}}, {2, Storage::kU32, {kSampleSettingsWords}},
                           {3, Storage::kU32, {4}},    {4, Storage::kU32, {8}},
                           {5, Storage::kI32, {1}},    {6, Storage::kI32, {16}}};
  const auto refuse = [&caps](const SampleProblem& problem, const std::string& message) {
    Recorder recorder(caps);
    try {
      plan_sample(problem, recorder);
      ADD_FAILURE() << "not refused: " << message;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  };
  Recorder recorder(caps);
  plan_sample(good, recorder);
  EXPECT_EQ(recorder.dispatches().size(), 6u);
  SampleProblem greedy = good;
  greedy.greedy = true;
  plan_sample(greedy, recorder);
  EXPECT_EQ(recorder.dispatches().size(), 6u + 2);
  SampleProblem bad = good;
  bad.row = 2;
  refuse(bad, "row 2 is not among the 2");
  bad = good;
  bad.history.shape = {9};
  refuse(bad, "history must be 8 u32 words, got shape 9");
  bad = good;
  bad.logits.shape = {1, (1u << 22) + 1};
  refuse(bad, "a vocabulary of 1 to 4194304");
}

}  // namespace
}  // namespace sluice::kernels
