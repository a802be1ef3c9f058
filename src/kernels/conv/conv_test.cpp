// Conv on the GPU against its reference.
#include "kernels/conv/conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/common/runner.h"
#include "kernels/conv/conv_ref.h"

namespace sluice::kernels {
namespace {

std::vector<float> randoms(std::mt19937& engine, size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  std::generate(values.begin(), values.end(), [&] { return normal(engine); });
  return values;
}

struct Case {
  ConvReference r;
  std::array<uint32_t, 2> pad_end{0, 0};
  bool flat = true, bias = true;
  Storage storage = Storage::kF32;
};

void check(const Case& c, uint32_t seed) {
  ConvReference r = c.r;
  SCOPED_TRACE(fmt::format("case {} in {}x{} kernel {}x{} group {} flat {} f16 {}", seed, r.in[0], r.in[1], r.kernel[0],
                           r.kernel[1], r.group, c.flat, c.storage == Storage::kF16));
  if (c.storage == Storage::kF16 && !test_device().caps().f16) return;
  std::mt19937 engine(seed);
  Runner runner(test_device());
  const auto shape = [&c](uint32_t a, uint32_t b, const std::array<uint32_t, 2>& s) {
    return c.flat ? std::vector{a, b, s[1]} : std::vector{a, b, s[0], s[1]};
  };
  for (size_t i = 0; i < 2; ++i)
    r.out[i] = (r.in[i] + r.pad[i] + c.pad_end[i] - r.dilation[i] * (r.kernel[i] - 1) - 1) / r.stride[i] + 1;
  const uint32_t inner = r.channels / r.group;
  ConvProblem p;
  p.x = runner.upload(c.storage, shape(r.batch, r.channels, r.in),
                      randoms(engine, size_t{r.batch} * r.channels * r.in[0] * r.in[1]));
  p.w = runner.upload(c.storage, shape(r.filters, inner, r.kernel),
                      randoms(engine, size_t{r.filters} * inner * r.kernel[0] * r.kernel[1]));
  if (c.bias) p.bias = runner.upload(c.storage, {r.filters}, randoms(engine, r.filters));
  p.y = runner.allocate(c.storage, shape(r.batch, r.filters, r.out));
  p.group = r.group;
  for (size_t i = 0; i < 2; ++i) p.axes[i] = {r.stride[i], r.dilation[i], r.pad[i], c.pad_end[i]};
  plan_conv(p, runner.recorder());
  runner.run();
  r.x = runner.read_floats(p.x);
  r.w = runner.read_floats(p.w);
  if (c.bias) r.bias = runner.read_floats(p.bias);
  const auto got = runner.read_floats(p.y), want = r.run();
  ASSERT_EQ(got.size(), want.size());
  const float tolerance = c.storage == Storage::kF16 ? 2e-3f : 1e-5f;
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance * (4 + std::abs(want[i]))) << i;
}

TEST(Conv, MatchesTheReference) {
  uint32_t seed = 0;
  for (const Storage storage : {Storage::kF32, Storage::kF16}) {
    const auto run = [&](const ConvReference& r, std::array<uint32_t, 2> pad_end, bool flat, bool bias) {
      check({r, pad_end, flat, bias, storage}, ++seed);
    };
    // Depthwise and causal: all padding in front.
    for (const uint32_t length : {1u, 3u, 31u, 257u})
      run({.batch = 2, .channels = 5, .filters = 5, .group = 5, .in = {1, length}, .kernel = {1, 3}, .pad = {0, 2}},
          {0, 0}, true, false);
    run({.channels = 4,
         .filters = 6,
         .group = 2,
         .in = {1, 33},
         .kernel = {1, 4},
         .stride = {1, 2},
         .dilation = {1, 3}},
        {0, 1}, true, true);
    run({.channels = 3, .filters = 7, .in = {1, 9}, .kernel = {1, 9}, .pad = {0, 20}}, {0, 3}, true, true);
    run({.batch = 2,
         .channels = 4,
         .filters = 6,
         .group = 2,
         .in = {7, 9},
         .kernel = {3, 2},
         .stride = {2, 1},
         .dilation = {1, 2},
         .pad = {1, 2}},
        {0, 1}, false, true);
    run({.channels = 32, .filters = 8, .in = {1, 1}, .kernel = {1, 1}}, {0, 0}, false, false);
  }
}

TEST(Conv, RefusesWhatDoesNotAgree) {
  ConvProblem good;
  good.x = {1, Storage::kF32, {2, 4, 9}};
  good.w = {2, Storage::kF32, {6, 2, 3}};
  good.y = {3, Storage::kF32, {2, 6, 7}};
  good.group = 2;
  const auto refuses = [&](auto&& change) {
    auto p = good;
    change(p);
    Recorder recorder(test_device().caps());
    EXPECT_THROW(plan_conv(p, recorder), Error);
  };
  Recorder recorder(test_device().caps());
  EXPECT_NO_THROW(plan_conv(good, recorder));
  refuses([](auto& p) { p.group = 1; });
  refuses([](auto& p) { p.group = 0; });
  refuses([](auto& p) { p.x.shape = {2, 4}; });
  refuses([](auto& p) { p.y.shape = {2, 6, 8}; });
  refuses([](auto& p) { p.axes[1].stride = 0; });
  refuses([](auto& p) { p.axes[1].pad_begin = 1; });
  refuses([](auto& p) { p.bias = {4, Storage::kF32, {5}}; });
  refuses([](auto& p) { p.w.storage = Storage::kF16; });
}

}  // namespace
}  // namespace sluice::kernels
