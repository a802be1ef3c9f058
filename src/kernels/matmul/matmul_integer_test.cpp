#include "kernels/matmul/matmul_integer.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/common/runner.h"

namespace sluice::kernels {
namespace {

struct Sizes {
  uint32_t batches, m, k, n;
};

struct Operand8 {
  std::vector<int32_t> values;
  std::vector<int32_t> points;  // 1, or one a row or column; empty: none
};

Operand8 random_operand(std::mt19937& random, bool is_signed, uint32_t count, uint32_t points) {
  const auto next = [&] { return static_cast<int32_t>(random() % 256) - (is_signed ? 128 : 0); };
  Operand8 operand;
  for (uint32_t i = 0; i < count; ++i) operand.values.push_back(next());
  for (uint32_t i = 0; i < points; ++i) operand.points.push_back(next());
  return operand;
}

int32_t point(const Operand8& operand, uint32_t i) {
  return operand.points.empty() ? 0 : operand.points[operand.points.size() == 1 ? 0 : i];
}

// Signed numbers lie whole, unsigned ones as bytes.
Tensor upload(Runner& runner, const std::vector<uint32_t>& shape, const std::vector<int32_t>& values, bool is_signed) {
  if (is_signed) return runner.upload(shape, values);
  return runner.upload_bytes(shape, std::vector<uint8_t>(values.begin(), values.end()));
}

Tensor upload_points(Runner& runner, const std::vector<int32_t>& points) {
  return points.empty() ? Tensor{} : runner.upload({static_cast<uint32_t>(points.size())}, points);
}

void check(const Sizes& s, bool a_signed, bool b_signed, uint32_t points) {
  std::mt19937 random(s.m * 31 + s.k * 7 + s.n + points);
  const uint32_t a_points = points == 2 ? s.m : points, b_points = points == 2 ? s.n : points;
  const Operand8 a = random_operand(random, a_signed, s.batches * s.m * s.k, a_points);
  const Operand8 b = random_operand(random, b_signed, s.k * s.n, b_points);
  Runner runner(test_device());
  MatMulIntegerProblem problem{upload(runner, {s.batches, s.m, s.k}, a.values, a_signed),
                               upload(runner, {s.k, s.n}, b.values, b_signed), upload_points(runner, a.points),
                               upload_points(runner, b.points), runner.allocate(Storage::kI32, {s.batches, s.m, s.n})};
  plan_matmul_integer(problem, runner.recorder());
  runner.run();
  const auto actual = runner.read_ints(problem.y);
  for (uint32_t row = 0; row < s.batches * s.m; ++row) {
    for (uint32_t column = 0; column < s.n; ++column) {
      int32_t sum = 0;
      for (uint32_t i = 0; i < s.k; ++i) {
        sum += (a.values[row * s.k + i] - point(a, row % s.m)) * (b.values[i * s.n + column] - point(b, column));
      }
      ASSERT_EQ(actual[row * s.n + column], sum)
          << s.m << "x" << s.k << "x" << s.n << " row " << row << " column " << column << " points " << points;
    }
  }
}

TEST(MatMulInteger, IsExact) {
  const Sizes all[] = {{1, 1, 1, 1},    {1, 3, 5, 2},    {2, 15, 16, 17}, {3, 16, 15, 16},
                       {1, 17, 33, 31}, {1, 1, 2000, 5}, {2, 33, 4, 32}};
  for (const Sizes& s : all) {
    for (const bool a_signed : {false, true}) {
      for (const bool b_signed : {false, true}) {
        for (const uint32_t points : {0u, 1u, 2u}) check(s, a_signed, b_signed, points);
      }
    }
  }
}

TEST(MatMulInteger, Refusals) {
  const gpu::Caps caps;
  Recorder recorder(caps);
  const Tensor a{1, Storage::kBytes, {2, 3, 4}}, b{2, Storage::kI32, {4, 5}}, y{3, Storage::kI32, {2, 3, 5}};
  EXPECT_THROW(plan_matmul_integer({a, {2, Storage::kI32, {3, 5}}, {}, {}, y}, recorder), Error);
  EXPECT_THROW(plan_matmul_integer({a, {2, Storage::kF32, {4, 5}}, {}, {}, y}, recorder), Error);
  EXPECT_THROW(plan_matmul_integer({a, {2, Storage::kI32, {4}}, {}, {}, y}, recorder), Error);
  EXPECT_THROW(plan_matmul_integer({a, b, {4, Storage::kI32, {2}}, {}, y}, recorder), Error);
  EXPECT_THROW(plan_matmul_integer({a, b, {}, {4, Storage::kBytes, {5}}, y}, recorder), Error);
  EXPECT_THROW(
      plan_matmul_integer({a, {2, Storage::kI32, {2, 1, 4, 5}}, {}, {}, {3, Storage::kI32, {2, 2, 3, 5}}}, recorder),
      Error);
  EXPECT_THROW(plan_matmul_integer({a, b, {}, {}, {2, Storage::kI32, {2, 3, 5}}}, recorder), Error);
  plan_matmul_integer({{1, Storage::kI32, {0, 4}}, b, {}, {}, {3, Storage::kI32, {0, 5}}}, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
}

}  // namespace
}  // namespace sluice::kernels
