// Operators on their own: special values, bounds, casts.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/half.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/test_values.h"

namespace sluice::kernels {
namespace {

using test::download;
using test::expect_close;
using test::has_f16;
using test::upload;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(SingleOperator, RoundsHalfToEvenAndKeepsNan) {
  Runner runner(test_device());
  const Tensor x = runner.upload(Storage::kF32, {8}, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, kNan, kInf, 3.0f});
  const Tensor y = runner.allocate(Storage::kF32, {8});
  plan_unary(ElementOp::kRound, x, y, runner.recorder());
  runner.run();
  const std::vector<float> expected = {0, 2, 2, -0.0f, -2, kNan, kInf, 3};
  const auto actual = runner.read_floats(y);
  for (size_t i = 0; i < expected.size(); ++i) expect_close(actual[i], expected[i], 0, "element " + std::to_string(i));
}

// Angles of rotary tables: positions times frequencies.
TEST(SingleOperator, SineOfLargeAngles) {
  std::mt19937 random(11);
  std::vector<float> angles(4000);
  for (size_t i = 0; i < angles.size(); ++i) {
    angles[i] = std::uniform_real_distribution<float>(-1, 1)(random) * (i % 2 ? 8192.0f : 100000.0f);
  }
  for (const ElementOp op : {ElementOp::kSin, ElementOp::kCos}) {
    Runner runner(test_device());
    const Tensor y = runner.allocate(Storage::kF32, {4000});
    plan_unary(op, runner.upload(Storage::kF32, {4000}, angles), y, runner.recorder());
    runner.run();
    const auto actual = runner.read_floats(y);
    for (size_t i = 0; i < angles.size(); ++i) {
      const double angle = angles[i];
      const double expected = op == ElementOp::kSin ? std::sin(angle) : std::cos(angle);
      ASSERT_NEAR(actual[i], expected, std::fabs(angle) <= 8192 ? 1e-6 : 1e-5) << name(op) << " of " << angle;
    }
  }
}

TEST(SingleOperator, PowAsInC) {
  const std::vector<float> a = {2, -8, -2, 0, 0, -0.0f, kInf, -kInf, -kInf, kNan, 1, -1, -1, 0.5f, -2, 0, -3};
  const std::vector<float> b = {.5f, 1 / 3.f, 3, -1, 0, -3, -1, 3, 2, 0, kNan, kInf, 2e9f, -kInf, -3, 5, 2};
  Runner runner(test_device());
  const auto count = static_cast<uint32_t>(a.size());
  const Tensor y = runner.allocate(Storage::kF32, {count});
  plan_binary(ElementOp::kPow, runner.upload(Storage::kF32, {count}, a), runner.upload(Storage::kF32, {count}, b), y,
              runner.recorder());
  runner.run();
  const auto actual = runner.read_floats(y);
  for (size_t i = 0; i < a.size(); ++i) {
    expect_close(actual[i], std::pow(a[i], b[i]), 1e-5, fmt::format("pow({}, {})", a[i], b[i]));
  }
}

TEST(SingleOperator, ClipKeepsNan) {
  const std::vector<float> values = {-3, -1, 0, 2, 5, kNan, kInf, -kInf};
  Runner runner(test_device());
  ElementwiseProblem problem{{runner.upload(Storage::kF32, {8}, values), runner.upload(Storage::kF32, {1}, {-1.5f})},
                             runner.allocate(Storage::kF32, {8}),
                             {},
                             ""};
  auto& p = problem.program;
  p.apply(ElementOp::kClip, ElementProgram::input(0), ElementProgram::input(1), p.constant(3.0f));
  plan_elementwise(problem, runner.recorder());
  runner.run();
  const std::vector<float> expected = {-1.5f, -1, 0, 2, 3, kNan, 3, -1.5f};
  const auto actual = runner.read_floats(problem.output);
  for (size_t i = 0; i < values.size(); ++i) expect_close(actual[i], expected[i], 0, std::to_string(values[i]));
}

TEST(SingleOperator, ClipOfInts) {
  Runner runner(test_device());
  ElementwiseProblem problem{
      {runner.upload({3}, {-2147483647, 7, 2147483647})}, runner.allocate(Storage::kI32, {3}), {}, ""};
  auto& p = problem.program;
  p.apply(ElementOp::kClip, ElementProgram::input(0), p.constant(std::numeric_limits<int32_t>::min()),
          p.constant(int32_t{100}));
  plan_elementwise(problem, runner.recorder());
  runner.run();
  EXPECT_EQ(runner.read_ints(problem.output), (std::vector<int32_t>{-2147483647, 7, 100}));
}

TEST(SingleOperator, CastsBetweenAllStorages) {
  const Storage all[] = {Storage::kF32, Storage::kF16, Storage::kI32, Storage::kU32};
  for (const Storage from : all) {
    for (const Storage to : all) {
      if ((from == Storage::kF16 || to == Storage::kF16) && !has_f16()) continue;
      Runner runner(test_device());
      std::vector<double> values = {0, 1, 1, 0, 1, 0, 0, 1};
      if (from == Storage::kI32) values = {0, 1, -1, 100, -7, 2, 0, 3};
      if (element_type(from) == ElementType::kFloat) values = {0, 1.9, -1.9, 100.5, -0.5, 2.5, -0.0, 0.25};
      const Tensor x = upload(runner, from, {8}, values);
      const Tensor y = runner.allocate(to, {8});
      plan_cast(x, y, runner.recorder());
      runner.run();
      const auto actual = download(runner, y);
      for (size_t i = 0; i < values.size(); ++i) {
        double expected = values[i];
        if (to == Storage::kI32) expected = std::trunc(expected);
        if (to == Storage::kU32) expected = expected != 0;
        expect_close(actual[i], expected, 1e-3, fmt::format("cast {} of {}", static_cast<int>(to), values[i]));
      }
    }
  }
}

TEST(SingleOperator, CastsToTheNearestHalf) {
  if (!has_f16()) GTEST_SKIP() << "no f16";
  std::mt19937 random(12);
  std::vector<float> values(4096);
  for (float& v : values)
    v = std::ldexp(std::uniform_real_distribution<float>(-1, 1)(random), static_cast<int>(random() % 30) - 13);
  for (size_t i = 0; i < 64; ++i) values[i] = 1 + static_cast<float>(i) / 2048;  // every second between two
  const auto count = static_cast<uint32_t>(values.size());
  Runner runner(test_device());
  const Tensor y = runner.allocate(Storage::kF16, {count});
  plan_cast(runner.upload(Storage::kF32, {count}, values), y, runner.recorder());
  runner.run();
  const auto actual = runner.read_floats(y);
  size_t wrong = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float expected = half_to_float(float_to_half(values[i]));
    if (actual[i] != expected && ++wrong < 8)
      ADD_FAILURE() << values[i] << " became " << actual[i] << ", not " << expected;
  }
  EXPECT_EQ(wrong, 0u);
}

TEST(SingleOperator, WrapsNarrowTypes) {
  const std::vector<int32_t> values = {0, 1, -1, 127, 128, -129, 255, 256, 32767, 32768, -32769, 65535, 65536, 70000};
  const auto count = static_cast<uint32_t>(values.size());
  Runner runner(test_device());
  const Tensor x = runner.upload({count}, values);
  const auto wrapped = [&](ElementOp op) {
    Tensor y = runner.allocate(Storage::kI32, {count});
    plan_unary(op, x, y, runner.recorder());
    return y;
  };
  const Tensor i8 = wrapped(ElementOp::kWrapInt8), i16 = wrapped(ElementOp::kWrapInt16),
               u16 = wrapped(ElementOp::kWrapUint16);
  runner.run();
  for (uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(runner.read_ints(i8)[i], static_cast<int8_t>(values[i])) << values[i];
    EXPECT_EQ(runner.read_ints(i16)[i], static_cast<int16_t>(values[i])) << values[i];
    EXPECT_EQ(runner.read_ints(u16)[i], static_cast<uint16_t>(values[i])) << values[i];
  }
}

TEST(SingleOperator, MaxKeepsNanAndQuickGeluTakesItsAlpha) {
  Runner runner(test_device());
  const Tensor a = runner.upload(Storage::kF32, {3}, {1, kNan, -4}), b = runner.upload(Storage::kF32, {1}, {2});
  const Tensor most = runner.allocate(Storage::kF32, {3}), quick = runner.allocate(Storage::kF32, {3});
  plan_binary(ElementOp::kMax, a, b, most, runner.recorder());
  ElementwiseProblem gelu{{a}, quick, {}, ""};
  gelu.program.apply(ElementOp::kQuickGelu, ElementProgram::input(0), gelu.program.constant(1.702f));
  plan_elementwise(gelu, runner.recorder());
  runner.run();
  EXPECT_EQ(runner.read_floats(most)[0], 2);
  EXPECT_TRUE(std::isnan(runner.read_floats(most)[1]));
  EXPECT_EQ(runner.read_floats(most)[2], 2);
  EXPECT_NEAR(runner.read_floats(quick)[0], 1 / (1 + std::exp(-1.702)), 1e-6);
}

}  // namespace
}  // namespace sluice::kernels
