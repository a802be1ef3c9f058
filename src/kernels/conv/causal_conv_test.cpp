#include "kernels/conv/causal_conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/common/runner.h"
#include "kernels/conv/causal_conv_ref.h"

namespace sluice::kernels {
namespace {

enum class State { kNone, kNew, kSeparate, kInPlace };

struct Case {
  uint32_t batch, channels, seq, width;
  State state;
  bool bias, silu;
  int active;  // -1: no flag
  Storage storage;
  uint32_t dilation = 1;
  bool channels_last = false;
};

void PrintTo(const Case& c, std::ostream* os) {  // NOLINT(readability-identifier-naming): GoogleTest's name
  *os << fmt::format(
      "batch {} channels {} seq {} width {} state {} bias {} silu {} active {} f16 {} dilation {} channels_last {}",
      c.batch, c.channels, c.seq, c.width, static_cast<int>(c.state), c.bias, c.silu, c.active,
      c.storage == Storage::kF16, c.dilation, c.channels_last);
}

std::vector<Case> cases() {
  std::vector<Case> result;
  uint32_t i = 0;
  // Sequences shorter than, as long as and longer than the state, in every kind of state.
  for (uint32_t width : {1u, 2u, 3u, 4u, 16u, 64u}) {
    for (uint32_t seq : {1u, 2u, 3u, 4u, 15u, 33u}) {
      for (State state : {State::kNone, State::kNew, State::kSeparate, State::kInPlace}) {
        ++i;
        result.push_back({1 + i % 2, i % 3 == 0 ? 300u : 5u, seq, width, state, i % 4 < 2, i % 5 < 2,
                          static_cast<int>(i % 3) - 1, i % 7 < 3 ? Storage::kF16 : Storage::kF32, 1 + i % 11 / 8,
                          i % 13 < 4});
      }
    }
  }
  return result;
}

std::vector<float> randoms(std::mt19937& engine, size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  std::generate(values.begin(), values.end(), [&] { return normal(engine); });
  return values;
}

void expect_close(const std::vector<float>& got, const std::vector<float>& want, float tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::abs(want[i]))) << what << " [" << i << "]";
  }
}

class CausalConvTest : public ::testing::TestWithParam<Case> {};

TEST_P(CausalConvTest, MatchesTheReference) {
  const Case c = GetParam();
  if (c.storage == Storage::kF16 && !test_device().caps().f16) GTEST_SKIP() << "no shader-f16";
  std::mt19937 engine(5);
  Runner runner(test_device());
  const uint32_t tail = (c.width - 1) * c.dilation;
  const auto shape_of = [&c](uint32_t columns) {
    return c.channels_last ? std::vector{c.batch, columns, c.channels} : std::vector{c.batch, c.channels, columns};
  };
  const std::vector<uint32_t> shape = shape_of(c.seq), state = shape_of(tail);
  const size_t carried = size_t{c.batch} * c.channels * tail;
  CausalConvProblem p;
  p.x = runner.upload(c.storage, shape, randoms(engine, size_t{c.batch} * c.channels * c.seq));
  p.weight = runner.upload(c.storage, {c.channels, 1, c.width}, randoms(engine, size_t{c.channels} * c.width));
  p.y = runner.allocate(c.storage, shape);
  if (c.bias) p.bias = runner.upload(c.storage, {c.channels}, randoms(engine, c.channels));
  if (c.width > 1 && c.state >= State::kSeparate) p.past = runner.upload(c.storage, state, randoms(engine, carried));
  const std::vector<float> untouched(carried, 7);
  if (c.width > 1 && c.state == State::kInPlace) p.present = p.past;
  if (c.width > 1 && (c.state == State::kSeparate || c.state == State::kNew))
    p.present = runner.upload(c.storage, state, untouched);
  if (c.active >= 0) {
    p.active = runner.upload({1}, std::vector<int32_t>{c.active});
    p.active.storage = Storage::kU32;
  }
  if (c.silu) p.activation = ConvActivation::kSilu;
  p.dilation = c.dilation;
  p.channels_last = c.channels_last;

  const auto values = [&](const Tensor& t) { return t ? runner.read_floats(t) : std::vector<float>{}; };
  CausalConvReference r{.batch = c.batch,
                        .channels = c.channels,
                        .seq = c.seq,
                        .width = c.width,
                        .silu = c.silu,
                        .dilation = c.dilation,
                        .channels_last = c.channels_last,
                        .x = values(p.x),
                        .weight = values(p.weight),
                        .bias = values(p.bias),
                        .past = values(p.past),
                        .y = {},
                        .present = {}};
  r.run();
  plan_causal_conv(p, runner.recorder());
  runner.run();
  const float tolerance = c.storage == Storage::kF16 ? 2e-3f : 1e-5f;
  expect_close(runner.read_floats(p.y), r.y, tolerance, "y");
  if (!p.present) return;
  const bool kept = c.active == 0;
  expect_close(runner.read_floats(p.present),
               !kept                        ? r.present
               : c.state == State::kInPlace ? r.past
                                            : untouched,
               0, "present");
}

INSTANTIATE_TEST_SUITE_P(All, CausalConvTest, ::testing::ValuesIn(cases()));

TEST(CausalConv, RefusesWhatDoesNotAgree) {
  const CausalConvProblem good{.x = {1, Storage::kF32, {2, 3, 4}},
                               .weight = {2, Storage::kF32, {3, 1, 3}},
                               .bias = {},
                               .past = {},
                               .y = {3, Storage::kF32, {2, 3, 4}},
                               .present = {4, Storage::kF32, {2, 3, 2}},
                               .active = {}};
  const auto refuses = [&](auto&& change) {
    auto p = good;
    change(p);
    Recorder recorder(test_device().caps());
    EXPECT_THROW(plan_causal_conv(p, recorder), Error);
  };
  Recorder recorder(test_device().caps());
  EXPECT_NO_THROW(plan_causal_conv(good, recorder));
  refuses([](auto& p) { p.x.shape = {2, 3, 4, 5}; });
  refuses([](auto& p) { p.weight.shape = {3, 2, 3}; });
  refuses([](auto& p) { p.weight.shape = {3, 1, 65}; });
  refuses([](auto& p) { p.present.shape = {2, 3, 3}; });
  refuses([](auto& p) { p.dilation = 0; });
  refuses([](auto& p) { p.dilation = 2; });
  refuses([](auto& p) { p.channels_last = true; });
  refuses([](auto& p) { p.past = {5, Storage::kF16, {2, 3, 2}}; });
  refuses([](auto& p) { p.bias = {5, Storage::kF32, {4}}; });
  refuses([](auto& p) { p.active = {5, Storage::kI32, {1}}; });
}

}  // namespace
}  // namespace sluice::kernels
