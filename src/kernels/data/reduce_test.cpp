// Reductions, ArgMax, ArgMin and CumSum.
#include "kernels/data/reduce.h"

#include <gtest/gtest.h>

#include "kernels/data/arg_reduce.h"
#include "kernels/data/cumsum.h"
#include "kernels/data/test_arrays.h"

namespace sluice::kernels {
namespace {

using ref::Array;
using ref::Shape;
using test::expect_equal;
using test::expect_refusal;
using test::random_array;
using test::upload;

constexpr ReduceOp kOps[] = {ReduceOp::kSum,  ReduceOp::kMean,      ReduceOp::kMax, ReduceOp::kMin,
                             ReduceOp::kProd, ReduceOp::kSumSquare, ReduceOp::kL2};

double tolerance(Storage storage) { return storage == Storage::kF16 ? 2e-3 : storage == Storage::kF32 ? 1e-5 : 0; }

std::vector<Storage> numbers() {
  if (!test::has_f16()) return {Storage::kF32, Storage::kI32};
  return {Storage::kF32, Storage::kF16, Storage::kI32};
}

// Products stay in range when values are near 1.
Array array_for(std::mt19937& random, const Shape& shape, Storage storage, ReduceOp op) {
  Array x = random_array(random, shape, storage);
  for (double& v : x.values) {
    if (op == ReduceOp::kProd) v = v > 0 ? 1 : storage == Storage::kF32 && v < -14 ? 2 : -1;
    if (storage == Storage::kF16 && op != ReduceOp::kProd) v /= 16;
  }
  return x;
}

void check(std::mt19937& random, const Shape& shape, const Shape& axes, Storage storage, ReduceOp op) {
  Runner runner(test_device());
  const Array x = array_for(random, shape, storage, op);
  const Array expected = ref::reduce(x, axes, op, storage == Storage::kI32);
  const Tensor y = runner.allocate(storage, expected.shape);
  plan_reduce({upload(runner, x, storage), y, axes, op}, runner.recorder());
  runner.run();
  expect_equal(runner, y, expected,
               fmt::format("op {} of {} over {} {}", static_cast<int>(op), shape_text(shape), shape_text(axes),
                           test::text(storage)),
               tolerance(storage));
}

TEST(Reduce, EveryOpOverAxes) {
  std::mt19937 random(1);
  const std::pair<Shape, Shape> cases[] = {
      {{5}, {0}},
      {{3, 7}, {1}},
      {{3, 7}, {0}},
      {{2, 33}, {1}},
      {{2, 255}, {1}},
      {{2, 256}, {1}},
      {{2, 257}, {1}},
      {{40, 6}, {0}},
      {{2, 3, 4}, {0, 2}},
      {{2, 3, 40}, {0, 2}},
      {{4, 5, 6}, {1}},
      {{4, 50, 6}, {1}},
      {{2, 3, 4, 5}, {1, 2}},
      {{2, 3, 4, 5, 6}, {0, 2, 4}},
      {{3, 4}, {}},
      {{2, 1, 9}, {1}},
      {{2, 2, 2, 2, 2, 2, 2, 2}, {0, 2, 4, 6}},
  };
  for (const auto& [shape, axes] : cases) {
    for (const ReduceOp op : kOps) {
      for (const Storage storage : numbers()) {
        if (storage == Storage::kI32 && op == ReduceOp::kL2) continue;
        check(random, shape, axes, storage, op);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Reduce, LongRowsAreSplit) {
  std::mt19937 random(2);
  for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMean, ReduceOp::kMax, ReduceOp::kL2}) {
    check(random, {2, 40001}, {1}, Storage::kF32, op);
    check(random, {50000, 3}, {0}, Storage::kF32, op);
    if (op != ReduceOp::kL2) check(random, {32768}, {0}, Storage::kI32, op);
  }
}

TEST(Reduce, ManyColumnsAndOutputs) {
  std::mt19937 random(3);
  check(random, {40, 5000}, {0}, Storage::kF32, ReduceOp::kSum);
  check(random, {70000, 3}, {1}, Storage::kF32, ReduceOp::kMax);
}

TEST(Reduce, MixedFloatsAndNan) {
  if (test::has_f16()) {
    Runner runner(test_device());
    const Tensor y = runner.allocate(Storage::kF32, {1});
    plan_reduce({runner.upload(Storage::kF16, {4}, {60000, 60000, 1, 0.5f}), y, {0}, ReduceOp::kSum},
                runner.recorder());
    runner.run();
    EXPECT_EQ(runner.read_floats(y)[0], 120001.5f);
  }
  for (const uint32_t count : {5u, 300u}) {
    for (const ReduceOp op : kOps) {
      Runner runner(test_device());
      std::vector<float> values(count, 1.0f);
      values[3] = std::nanf("");
      const Tensor y = runner.allocate(Storage::kF32, {1});
      plan_reduce({runner.upload(Storage::kF32, {count}, values), y, {0}, op}, runner.recorder());
      runner.run();
      EXPECT_TRUE(std::isnan(runner.read_floats(y)[0])) << static_cast<int>(op) << " of " << count;
    }
  }
}

TEST(Reduce, OverNothing) {
  for (const ReduceOp op : kOps) {
    for (const Storage storage : {Storage::kF32, Storage::kI32}) {
      if (storage == Storage::kI32 && op == ReduceOp::kL2) continue;
      Runner runner(test_device());
      const Array expected = ref::reduce(Array({3, 0}), {1}, op, storage == Storage::kI32);
      const Tensor y = runner.allocate(storage, {3, 1});
      plan_reduce({runner.allocate(storage, {3, 0}), y, {1}, op}, runner.recorder());
      runner.run();
      expect_equal(runner, y, expected, "over nothing");
    }
  }
}

TEST(Reduce, Refusals) {
  const Tensor x{1, Storage::kF32, {2, 3}}, y{2, Storage::kF32, {2}};
  expect_refusal([&](Recorder& r) { plan_reduce({x, y, {2}, ReduceOp::kSum}, r); }, "axis 2 is not below the rank 2");
  expect_refusal([&](Recorder& r) { plan_reduce({x, y, {0}, ReduceOp::kSum}, r); }, "must have 3 elements");
  expect_refusal(
      [&](Recorder& r) {
        plan_reduce({x, {2, Storage::kI32, {2}}, {1}, ReduceOp::kSum}, r);
      },
      "both be float");
  expect_refusal([&](Recorder& r) { plan_reduce({{1, Storage::kU32, {2, 3}}, y, {1}, ReduceOp::kSum}, r); }, "bool");
}

TEST(ArgReduce, TiesNanAndAxes) {
  std::mt19937 random(4);
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Shape& shape : {Shape{1}, {7}, {3, 31}, {3, 33}, {2, 300}, {40, 3, 5}, {2, 50, 4}, {70, 4100}}) {
    for (uint32_t axis = 0; axis < shape.size(); ++axis) {
      for (const Storage storage : numbers()) {
        for (int mode = 0; mode < 4; ++mode) {
          Runner runner(test_device());
          Array x = random_array(random, shape, storage);
          for (double& v : x.values) v = std::round(v / 8);
          if (storage != Storage::kI32) {
            for (double& v : x.values) {
              const auto pick = random() % 40;
              v = pick == 0 ? std::nan("") : pick == 1 ? infinity : pick == 2 ? -infinity : pick == 3 ? -0.0 : v;
            }
          }
          const Array expected = ref::arg_reduce(x, axis, (mode & 1) != 0, (mode & 2) != 0);
          const Tensor y = runner.allocate(Storage::kI32, expected.shape);
          plan_arg_reduce({upload(runner, x, storage), y, axis, (mode & 1) != 0, (mode & 2) != 0}, runner.recorder());
          runner.run();
          expect_equal(runner, y, expected, fmt::format("mode {} axis {} of {}", mode, axis, shape_text(shape)));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(ArgReduce, AllNan) {
  for (const bool last : {false, true}) {
    for (const uint32_t count : {5u, 300u}) {
      Runner runner(test_device());
      const Tensor y = runner.allocate(Storage::kI32, {1});
      plan_arg_reduce(
          {runner.upload(Storage::kF32, {count}, std::vector<float>(count, std::nanf(""))), y, 0, true, last},
          runner.recorder());
      runner.run();
      EXPECT_EQ(runner.read_ints(y)[0], last ? static_cast<int32_t>(count) - 1 : 0);
    }
  }
}

TEST(Cumsum, EveryModeAndAxis) {
  std::mt19937 random(5);
  for (const Shape& shape : {Shape{1}, {16}, {17}, {255}, {256}, {257}, {1000}, {3, 40, 5}, {9000, 20}, {2, 0}}) {
    for (uint32_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] > 8000) continue;
      for (const Storage storage : numbers()) {
        for (int mode = 0; mode < 4; ++mode) {
          Runner runner(test_device());
          Array x = random_array(random, shape, storage);
          if (storage == Storage::kF16) {
            for (double& v : x.values) v = std::round(v / 8) / 4;
          }
          const Array expected = ref::cumsum(x, axis, (mode & 1) != 0, (mode & 2) != 0);
          const Tensor y = runner.allocate(storage, shape);
          plan_cumsum({upload(runner, x, storage), y, axis, (mode & 1) != 0, (mode & 2) != 0}, runner.recorder());
          runner.run();
          expect_equal(runner, y, expected, fmt::format("mode {} axis {}", mode, axis), tolerance(storage));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
