#include "kernels/norm/softmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "kernels/common/runner.h"
#include "kernels/norm/norm_ref.h"

namespace sluice::kernels {
namespace {

struct Case {
  std::vector<uint32_t> shape;
  int32_t axis;
  Storage storage = Storage::kF32;
};

std::vector<Case> cases() {
  std::vector<Case> result;
  for (uint32_t cols : {1u, 3u, 15u, 16u, 17u, 31u, 32u, 33u, 127u, 128u, 129u, 255u, 256u, 257u, 5000u}) {
    result.push_back({{9, cols}, -1});
    result.push_back({{2, cols, 3}, 1, Storage::kF16});
  }
  result.push_back({{1, 200001}, -1});
  result.push_back({{5}, 0});
  result.push_back({{4, 3, 2, 5}, 0});
  result.push_back({{4, 3, 2, 5}, -2});
  return result;
}

void check(const Case& c, const std::vector<float>& x, bool log) {
  SCOPED_TRACE(
      fmt::format("[{}] axis {} f16 {} log {}", fmt::join(c.shape, ","), c.axis, c.storage == Storage::kF16, log));
  Runner runner(test_device());
  const Tensor in = runner.upload(c.storage, c.shape, x), out = runner.allocate(c.storage, c.shape);
  plan_softmax({.x = in, .y = out, .axis = c.axis, .log = log}, runner.recorder());
  runner.run();
  const size_t axis = c.axis < 0 ? c.axis + c.shape.size() : c.axis;
  uint32_t inner = 1;
  for (size_t i = axis + 1; i < c.shape.size(); ++i) inner *= c.shape[i];
  const auto want = softmax_reference(runner.read_floats(in), c.shape[axis], inner, log);
  const auto got = runner.read_floats(out);
  ASSERT_EQ(got.size(), want.size());
  const float tolerance = c.storage == Storage::kF16 ? 1e-3f : 2e-5f;
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i])) {
      ASSERT_TRUE(std::isnan(got[i])) << i << ": " << got[i];
    } else if (std::isinf(want[i])) {
      ASSERT_EQ(got[i], want[i]) << i;
    } else {
      ASSERT_NEAR(got[i], want[i], tolerance * (log ? 1 + std::abs(want[i]) : std::abs(want[i]) + 1e-4f)) << i;
    }
  }
}

TEST(Softmax, MatchesTheReference) {
  for (const Case& c : cases()) {
    if (c.storage == Storage::kF16 && !test_device().caps().f16) continue;
    std::mt19937 engine(11);
    std::normal_distribution<float> normal(0, 4);
    std::vector<float> x(Tensor{0, Storage::kF32, c.shape}.elements());
    std::generate(x.begin(), x.end(), [&] { return normal(engine); });
    for (bool log : {false, true}) check(c, x, log);
  }
}

TEST(Softmax, HugeMaskedAndUndefinedValues) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (uint32_t cols : {5u, 300u}) {
    const std::vector<std::vector<float>> starts{
        {1e30f, 1e30f, -1e30f}, {-kInf, 0, -kInf}, {-3e38f, -3e38f}, {kNan, 1}, {1, kNan}, {kInf, 1}, {90, 89, -1e4f}};
    std::vector<float> x;
    for (const auto& start : starts) {
      auto row = start;
      row.resize(cols, row[0] == -3e38f ? -3e38f : -1e30f);
      x.insert(x.end(), row.begin(), row.end());
    }
    x.resize(x.size() + cols, -kInf);  // a row of nothing
    check({{static_cast<uint32_t>(starts.size() + 1), cols}, 1}, x, false);
    check({{static_cast<uint32_t>(starts.size() + 1), cols}, 1}, x, true);
  }
}

TEST(Softmax, EmptyAndRefused) {
  Recorder recorder(test_device().caps());
  const Tensor x{1, Storage::kF32, {2, 0}}, y{2, Storage::kF32, {2, 0}};
  plan_softmax({.x = x, .y = y}, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
  EXPECT_THROW(plan_softmax({.x = x, .y = y, .axis = 2}, recorder), Error);
  EXPECT_THROW(plan_softmax({.x = x, .y = y, .axis = -3}, recorder), Error);
  EXPECT_THROW(plan_softmax({.x = x, .y = x}, recorder), Error);
  EXPECT_THROW(plan_softmax({.x = x, .y = {2, Storage::kF32, {3, 0}}}, recorder), Error);
  EXPECT_THROW(plan_softmax({.x = {1, Storage::kI32, {2, 0}}, .y = y}, recorder), Error);
}

}  // namespace
}  // namespace sluice::kernels
