// RMS and layer norm on the GPU against their reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "kernels/common/runner.h"
#include "kernels/norm/layer_norm.h"
#include "kernels/norm/norm_ref.h"
#include "kernels/norm/rms_norm.h"

namespace sluice::kernels {
namespace {

struct Case {
  uint32_t batch, seq, cols;
  bool centred = false, skip = false, bias = false, beta = false, sum = false;
  uint32_t skip_dims = 3;  // leading dimensions left out of the skip: 3 none, 2 the batch
  Storage x = Storage::kF32, weight = Storage::kF32;
};

void PrintTo(const Case& c, std::ostream* os) {  // NOLINT(readability-identifier-naming): GoogleTest's name
  *os << fmt::format(
      "batch {} seq {} cols {} centred {} skip {} bias {} beta {} sum {} skip_dims {} x f16 {} weight f16 {}", c.batch,
      c.seq, c.cols, c.centred, c.skip, c.bias, c.beta, c.sum, c.skip_dims, c.x == Storage::kF16,
      c.weight == Storage::kF16);
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (uint32_t cols :
       {1u, 3u, 4u, 15u, 16u, 17u, 31u, 32u, 33u, 64u, 65u, 128u, 252u, 256u, 257u, 260u, 1023u, 1024u, 2880u}) {
    for (bool centred : {false, true}) {
      result.push_back({1, 1, cols, centred});
      result.push_back({2, 9, cols, centred, true, true, centred, true, 2, Storage::kF16, Storage::kF32});
    }
  }
  for (int bits = 0; bits < 64; ++bits) {
    Case c{2,
           5,
           bits & 1 ? 48u : 600u,
           (bits & 2) != 0,
           (bits & 4) != 0,
           (bits & 4) && (bits & 8),
           (bits & 2) && (bits & 8)};
    c.sum = c.skip && (bits & 16);
    c.x = bits & 32 ? Storage::kF16 : Storage::kF32;
    c.weight = bits & 16 ? Storage::kF16 : Storage::kF32;
    c.skip_dims = bits & 8 ? 2 : 3;
    result.push_back(c);
  }
  return result;
}

std::vector<float> randoms(std::mt19937& engine, size_t count, float centre = 0) {
  std::normal_distribution<float> normal(centre, 1);
  std::vector<float> values(count);
  std::generate(values.begin(), values.end(), [&] { return normal(engine); });
  return values;
}

void plan(const Case& c, const SkipLayerNormProblem& p, Recorder& recorder) {
  if (c.centred && c.skip) {
    plan_skip_layer_norm(p, recorder);
  } else if (c.centred) {
    plan_layer_norm({.x = p.x,
                     .weight = p.weight,
                     .bias = p.beta,
                     .y = p.y,
                     .mean = p.mean,
                     .factor = p.factor,
                     .epsilon = p.epsilon},
                    recorder);
  } else if (c.skip) {
    plan_skip_rms_norm({.x = p.x,
                        .skip = p.skip,
                        .weight = p.weight,
                        .bias = p.bias,
                        .y = p.y,
                        .sum = p.sum,
                        .factor = p.factor,
                        .epsilon = p.epsilon},
                       recorder);
  } else {
    plan_rms_norm({.x = p.x, .weight = p.weight, .y = p.y, .factor = p.factor, .epsilon = p.epsilon}, recorder);
  }
}

void expect_close(const std::vector<float>& got, const std::vector<float>& want, float tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::abs(want[i]))) << what << " [" << i << "]";
  }
}

class NormTest : public ::testing::TestWithParam<Case> {};

TEST_P(NormTest, MatchesTheReference) {
  const Case c = GetParam();
  if ((c.x == Storage::kF16 || c.weight == Storage::kF16) && !test_device().caps().f16) GTEST_SKIP() << "no shader-f16";
  std::mt19937 engine(3);
  Runner runner(test_device());
  const size_t count = size_t{c.batch} * c.seq * c.cols;
  const std::vector<uint32_t> shape{c.batch, c.seq, c.cols};
  SkipLayerNormProblem p;
  p.epsilon = 1e-3f;
  // A mean far from 0 shows a variance computed as a difference.
  p.x = runner.upload(c.x, shape, randoms(engine, count, 3));
  p.weight = runner.upload(c.weight, {c.cols}, randoms(engine, c.cols));
  p.y = runner.allocate(c.x, shape);
  if (c.skip) {
    const std::vector<uint32_t> skip_shape(shape.begin() + (3 - c.skip_dims), shape.end());
    p.skip = runner.upload(c.x, skip_shape, randoms(engine, count / (c.skip_dims == 3 ? 1 : c.batch)));
  }
  if (c.bias) p.bias = runner.upload(c.weight, {c.cols}, randoms(engine, c.cols));
  if (c.beta) p.beta = runner.upload(c.weight, {c.cols}, randoms(engine, c.cols));
  if (c.sum) p.sum = runner.allocate(c.x, shape);
  p.factor = runner.allocate(Storage::kF32, {c.batch, c.seq, 1});
  if (c.centred) p.mean = runner.allocate(Storage::kF32, {c.batch, c.seq, 1});
  plan(c, p, runner.recorder());
  runner.run();

  const auto values = [&](const Tensor& t) { return t ? runner.read_floats(t) : std::vector<float>{}; };
  NormReference r{.cols = c.cols,
                  .centred = c.centred,
                  .x = values(p.x),
                  .skip = values(p.skip),
                  .bias = values(p.bias),
                  .weight = values(p.weight),
                  .beta = values(p.beta),
                  .epsilon = p.epsilon,
                  .y = {},
                  .sum = {},
                  .means = {},
                  .factors = {}};
  r.run();
  const float tolerance = c.x == Storage::kF16 ? 1e-3f : 2e-5f;
  expect_close(runner.read_floats(p.y), r.y, tolerance, "y");
  expect_close(runner.read_floats(p.factor), r.factors, tolerance, "factor");
  if (c.centred) expect_close(runner.read_floats(p.mean), r.means, tolerance, "mean");
  if (c.sum) expect_close(runner.read_floats(p.sum), r.sum, tolerance, "sum");
}

INSTANTIATE_TEST_SUITE_P(All, NormTest, ::testing::ValuesIn(cases()));

TEST(Norm, NanAndInfinityStayInTheirRow) {
  Runner runner(test_device());
  std::vector<float> x(9 * 40, 1.0f);
  x[3 * 40 + 7] = std::numeric_limits<float>::quiet_NaN();
  const Tensor in = runner.upload(Storage::kF32, {9, 40}, x),
               weight = runner.upload(Storage::kF32, {40}, std::vector<float>(40, 2.0f));
  const Tensor out = runner.allocate(Storage::kF32, {9, 40});
  plan_rms_norm({.x = in, .weight = weight, .y = out, .epsilon = 0}, runner.recorder());
  runner.run();
  const auto y = runner.read_floats(out);
  for (size_t i = 0; i < y.size(); ++i) {
    if (i / 40 == 3) {
      EXPECT_TRUE(std::isnan(y[i])) << i;
    } else {
      EXPECT_NEAR(y[i], 2.0f, 1e-5f) << i;
    }
  }
}

// Both outputs, and the sum alone.
TEST(Norm, NormalisesBeforeTheSum) {
  for (const Storage storage : {Storage::kF32, Storage::kF16}) {
    if (storage == Storage::kF16 && !test_device().caps().f16) continue;
    for (const uint32_t cols : {1u, 33u, 64u, 256u, 260u, 1024u, 1028u, 2880u, 4096u, 4100u}) {
      std::mt19937 engine(cols);
      Runner runner(test_device());
      const std::vector<uint32_t> shape{3, cols};
      SkipRmsNormProblem p{.x = runner.upload(storage, shape, randoms(engine, size_t{3} * cols, 2)),
                           .skip = runner.upload(storage, shape, randoms(engine, size_t{3} * cols)),
                           .weight = runner.upload(storage, {cols}, randoms(engine, cols)),
                           .bias = {},
                           .y = runner.allocate(storage, shape),
                           .sum = runner.allocate(storage, shape),
                           .factor = {},
                           .epsilon = 1e-3f,
                           .inner_weight = runner.upload(storage, {cols}, randoms(engine, cols)),
                           .inner_epsilon = 0.5f};
      plan_skip_rms_norm(p, runner.recorder());
      const Tensor both = std::exchange(p.sum, runner.allocate(storage, shape)), y = std::exchange(p.y, {});
      const Tensor weight = std::exchange(p.weight, {});
      plan_skip_rms_norm(p, runner.recorder());
      runner.run();
      NormReference r{.cols = cols,
                      .x = runner.read_floats(p.x),
                      .skip = runner.read_floats(p.skip),
                      .bias = {},
                      .weight = runner.read_floats(weight),
                      .beta = {},
                      .epsilon = p.epsilon,
                      .inner = runner.read_floats(p.inner_weight),
                      .inner_epsilon = p.inner_epsilon,
                      .y = {},
                      .sum = {},
                      .means = {},
                      .factors = {}};
      r.run();
      const float tolerance = storage == Storage::kF16 ? 1e-3f : 2e-5f;
      const std::string text = fmt::format("of {} columns", cols);
      expect_close(runner.read_floats(y), r.y, tolerance, ("y " + text).c_str());
      expect_close(runner.read_floats(both), r.sum, tolerance, ("sum " + text).c_str());
      expect_close(runner.read_floats(p.sum), r.sum, tolerance, ("the sum alone " + text).c_str());
    }
  }
}

TEST(Norm, MixedStorages) {
  if (!test_device().caps().f16) GTEST_SKIP() << "no shader-f16";
  std::mt19937 engine(4);
  Runner runner(test_device());
  const Tensor x = runner.upload(Storage::kF16, {3, 100}, randoms(engine, 300)),
               w = runner.upload(Storage::kF16, {100}, randoms(engine, 100));
  const Tensor y = runner.allocate(Storage::kF32, {3, 100});
  plan_rms_norm({.x = x, .weight = w, .y = y}, runner.recorder());
  runner.run();
  NormReference r{.cols = 100,
                  .centred = false,
                  .x = runner.read_floats(x),
                  .skip = {},
                  .bias = {},
                  .weight = runner.read_floats(w),
                  .beta = {},
                  .epsilon = 1e-5f,
                  .y = {},
                  .sum = {},
                  .means = {},
                  .factors = {}};
  r.run();
  expect_close(runner.read_floats(y), r.y, 2e-5f, "y");
}

TEST(Norm, EmptyAndRefused) {
  Recorder recorder(test_device().caps());
  const Tensor x{1, Storage::kF32, {2, 3, 8}}, y{2, Storage::kF32, {2, 3, 8}}, w{3, Storage::kF32, {8}};
  plan_rms_norm({.x = {1, Storage::kF32, {0, 8}}, .weight = w, .y = {2, Storage::kF32, {0, 8}}}, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
  EXPECT_THROW(plan_rms_norm({.x = x, .weight = {3, Storage::kF32, {7}}, .y = y}, recorder), Error);
  EXPECT_THROW(plan_rms_norm({.x = x, .weight = w, .y = x}, recorder), Error);
  EXPECT_THROW(plan_rms_norm({.x = x, .weight = w, .y = y, .factor = {4, Storage::kF32, {5}}}, recorder), Error);
  EXPECT_THROW(plan_rms_norm({.x = x, .weight = w, .y = y, .factor = {4, Storage::kI32, {6}}}, recorder), Error);
  EXPECT_THROW(plan_rms_norm({.x = x, .weight = {}, .y = y}, recorder), Error);
  EXPECT_THROW(plan_rms_norm({.x = {1, Storage::kI32, {2, 3, 8}}, .weight = w, .y = y}, recorder), Error);
  const auto skip = [&](std::vector<uint32_t> shape) {
    plan_skip_rms_norm(
        {.x = x, .skip = {4, Storage::kF32, std::move(shape)}, .weight = w, .bias = {}, .y = y, .sum = {}}, recorder);
  };
  EXPECT_THROW(skip({2, 8}), Error);
  EXPECT_THROW(skip({2, 1, 8}), Error);
  EXPECT_NO_THROW(skip({1, 3, 8}));
  EXPECT_NO_THROW(skip({3, 8}));
}

}  // namespace
}  // namespace sluice::kernels
