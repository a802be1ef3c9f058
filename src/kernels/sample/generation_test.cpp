// Choices without a draw (of equals, under penalties, of nothing but NaN), and generations of several steps.
#include <gtest/gtest.h>

#include <algorithm>

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

TEST(Greedy, TakesTheLowestOfEquals) {
  std::vector<float> logits(5000, 1.0f);
  logits[4000] = logits[4500] = logits[3] = 9;
  logits[2] = kNan;
  logits[1] = -kInf;
  Generation generation(with(0, 0, 1, 0), {}, std::vector<uint32_t>(5000));
  generation.step(logits);
  EXPECT_EQ(generation.next(), 3);
  logits[3] = 0;
  generation.step(logits);
  EXPECT_EQ(generation.next(), 4000);
}

TEST(Greedy, ZerosOfEitherSignAreEqual) {
  Generation greedy(with(0, 0, 1, 0), {}, std::vector<uint32_t>(3));
  greedy.step({-1, -0.0f, 0.0f});
  EXPECT_EQ(greedy.next(), 1);
  Generation top_1(with(1, 1, 1, 0), {}, std::vector<uint32_t>(3));
  top_1.step({-1, -0.0f, 0.0f});
  EXPECT_EQ(top_1.threshold_key(), key_of(0.0f));
  EXPECT_EQ(top_1.values(), (std::vector<float>{-1, 0, 0}));
  EXPECT_FALSE(std::signbit(top_1.values()[1]));
}

TEST(Greedy, AppliesPenalties) {
  SampleSettings s = with(0, 0, 1, 0);
  s.repetition_penalty = 2;
  s.frequency_penalty = 1;
  s.presence_penalty = 0.5f;
  // Id 0: in the prompt, 10 / 2. Id 1: generated twice, 12 / 2 - 2.5. Id 2: -1 * 2. Id 3: untouched.
  const std::vector<uint32_t> history = {1u << 31, 2, 1u << 31, 0};
  Generation generation(s, {}, history);
  generation.step({10, 12, -1, 4.75f});
  EXPECT_EQ(generation.next(), 0);
  generation.step({10, 12, -1, 4.75f});  // id 0 was generated once: 5 - 1.5
  EXPECT_EQ(generation.next(), 3);
}

TEST(Greedy, NothingButNanAndInfinities) {
  for (const float temperature : {0.0f, 1.0f}) {
    for (const float value : {kNan, -kInf}) {
      Generation generation(with(temperature, 5, 0.5f, 0), {}, std::vector<uint32_t>(300));
      generation.step(std::vector<float>(300, value));
      EXPECT_EQ(generation.next(), 0);
    }
    std::vector<float> logits(300, 3.0f);
    logits[77] = kInf;
    Generation generation(with(temperature, 0, 1, 0), {}, std::vector<uint32_t>(300));
    for (int i = 0; i < 3; ++i) {
      generation.step(logits);
      EXPECT_EQ(generation.next(), 77);
    }
  }
}

// Of equals the first, whether the filters are planned or not.
TEST(Greedy, NeedsNoFilters) {
  std::mt19937 random(9);
  for (const uint32_t count : {1u, 33u, 2048u, 5000u}) {
    const std::vector<float> logits = random_logits(random, count, 2);
    const auto best = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    for (const bool greedy : {false, true}) {
      Generation generation({}, {.past_length = 0, .step = 2, .active = 1}, std::vector<uint32_t>(count));
      if (greedy) generation.plan_greedy();
      generation.step(logits);
      EXPECT_EQ(generation.next(), best) << count;
      EXPECT_EQ(generation.ring(), (std::vector<int32_t>{-7, -7, best, -7}));
    }
  }
}

TEST(Generation, SeedsAndStepsDecide) {
  std::mt19937 random(5);
  const auto logits = random_logits(random, 1000, 1);
  std::vector<std::vector<int32_t>> runs;
  for (const uint32_t seed : {1u, 1u, 2u}) {
    SampleSettings s = with(1, 0, 1, 0);
    s.seed_lo = seed;
    Generation generation(s, {}, std::vector<uint32_t>(1000), 16);
    for (int i = 0; i < 16; ++i) generation.step(logits);
    runs.push_back(generation.ring());
  }
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_NE(runs[0], runs[2]);
}

TEST(Generation, StopsAndStaysStopped) {
  SampleSettings s = with(0, 0, 1, 0);
  s.stop_count = 2;
  s.stop_ids[0] = 99;
  s.stop_ids[1] = 2;
  s.stop_ids[2] = 1;  // beyond stop_count
  Generation generation(s, {10, 0, 1, 0}, std::vector<uint32_t>(4), 3);
  generation.step({0, 5, 1, 0});
  EXPECT_EQ(generation.next(), 1);
  EXPECT_EQ(generation.state().active, 1u);
  generation.step({0, 1, 5, 0});
  EXPECT_EQ(generation.next(), 2);
  EXPECT_EQ(generation.state().active, 0u);
  generation.step({9, 1, 5, 0});
  generation.step({9, 1, 5, 0});
  EXPECT_EQ(generation.next(), 2);
  EXPECT_EQ(generation.ring(), (std::vector<int32_t>{-1, 2, -1}));
  EXPECT_EQ(generation.state().step, 4u);
  EXPECT_EQ(generation.history(), (std::vector<uint32_t>{0, 1, 1, 0}));
}

TEST(Generation, IsLikeTheReference) {
  std::mt19937 random(6);
  SampleSettings s = with(0.8f, 40, 0.9f, 0);
  s.repetition_penalty = 1.3f;
  s.frequency_penalty = 0.2f;
  std::vector<uint32_t> history(3000);
  Generation generation(s, {}, history, 64);
  DecodeState state;
  std::vector<int32_t> expected;
  for (int i = 0; i < 40; ++i) {
    const auto logits = random_logits(random, 3000, 2);
    generation.step(logits);
    expected.push_back(ref::sample(logits, s, state, history));
  }
  auto ring = generation.ring();
  ring.resize(40);
  EXPECT_EQ(ring, expected);
  EXPECT_EQ(generation.history(), history);
}

}  // namespace
}  // namespace sluice::kernels
