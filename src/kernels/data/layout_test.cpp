// Transpose, Slice, Split, Concat, Expand, Tile, Copy, Pad, Trilu, fill and range.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernels/data/concat.h"
#include "kernels/data/copy.h"
#include "kernels/data/expand.h"
#include "kernels/data/fill.h"
#include "kernels/data/pad.h"
#include "kernels/data/slice.h"
#include "kernels/data/test_arrays.h"
#include "kernels/data/tile.h"
#include "kernels/data/transpose.h"
#include "kernels/data/trilu.h"

namespace sluice::kernels {
namespace {

using ref::Array;
using ref::Shape;
using test::expect_equal;
using test::expect_refusal;
using test::random_array;
using test::upload;

TEST(Transpose, AllPermutationsAndStorages) {
  std::mt19937 random(1);
  for (const Shape& shape : {Shape{}, {5}, {3, 4}, {33, 31}, {2, 3, 8}, {1, 7, 16}, {2, 3, 4, 5}, {64, 1, 32}}) {
    Shape perm(shape.size());
    std::iota(perm.begin(), perm.end(), 0);
    do {
      for (const Storage storage : test::storages()) {
        Runner runner(test_device());
        const Array x = random_array(random, shape, storage);
        const Array y = ref::transpose(x, perm);
        const Tensor out = runner.allocate(storage, y.shape);
        plan_transpose({upload(runner, x, storage), out, perm}, runner.recorder());
        runner.run();
        expect_equal(runner, out, y, std::string("transpose ") + test::text(storage) + " by " + shape_text(perm));
      }
    } while (std::next_permutation(perm.begin(), perm.end()));
  }
}

TEST(Transpose, BytesInWords) {
  std::mt19937 random(2);
  Runner runner(test_device());
  const Array x = random_array(random, {3, 5, 8}, Storage::kBytes);
  const Tensor out = runner.allocate(Storage::kBytes, {5, 3, 8});
  plan_transpose({upload(runner, x, Storage::kBytes), out, {1, 0, 2}}, runner.recorder());
  runner.run();
  expect_equal(runner, out, ref::transpose(x, {1, 0, 2}), "bytes");
}

TEST(Transpose, Refusals) {
  const Tensor x{1, Storage::kF32, {2, 3}}, y{2, Storage::kF32, {3, 2}};
  expect_refusal([&](Recorder& r) { plan_transpose({x, y, {0, 0}}, r); }, "once");
  expect_refusal([&](Recorder& r) { plan_transpose({x, x, {}}, r); }, "must have shape 3x2, got 2x3");
  expect_refusal(
      [&](Recorder& r) {
        plan_transpose({{3, Storage::kBytes, {2, 3}}, {4, Storage::kBytes, {3, 2}}, {}}, r);
      },
      "multiples of 4 bytes");
  expect_refusal([&](Recorder& r) { plan_transpose({x, {2, Storage::kI32, {3, 2}}, {}}, r); }, "one element type");
}

struct SliceCase {
  Shape x;
  std::vector<int32_t> starts, steps;
  Shape y;
};

TEST(Slice, StartsAndStepsOfEitherSign) {
  std::mt19937 random(3);
  const SliceCase cases[] = {
      {{10}, {2}, {1}, {5}},
      {{10}, {9}, {-1}, {10}},
      {{10}, {9}, {-3}, {4}},
      {{4, 32}, {0, 8}, {1, 1}, {4, 16}},
      {{4, 32}, {1, 0}, {2, 1}, {2, 32}},
      {{4, 33}, {3, 32}, {-1, -2}, {4, 17}},
      {{2, 3, 4, 5}, {1, 2, 0, 4}, {1, -1, 3, -2}, {1, 3, 2, 3}},
      {{300, 7}, {0, 3}, {1, 1}, {300, 1}},
      {{6, 8}, {2, 0}, {1, 1}, {0, 8}},
      {{2, 64}, {1, 2}, {1, 1}, {1, 6}},
  };
  for (const SliceCase& c : cases) {
    for (const Storage storage : test::storages()) {
      Runner runner(test_device());
      const Array x = random_array(random, c.x, storage);
      const Tensor out = runner.allocate(storage, c.y);
      plan_slice({upload(runner, x, storage), out, c.starts, c.steps}, runner.recorder());
      runner.run();
      expect_equal(runner, out, ref::slice(x, c.starts, c.steps, c.y), std::string("slice ") + test::text(storage));
    }
  }
}

TEST(Slice, Refusals) {
  const Tensor x{1, Storage::kF32, {4}}, y{2, Storage::kF32, {3}};
  expect_refusal([&](Recorder& r) { plan_slice({x, y, {2}, {1}}, r); }, "has no elements 2 to 4 by 1");
  expect_refusal([&](Recorder& r) { plan_slice({x, y, {1}, {-1}}, r); }, "has no elements 1 to -1 by -1");
  expect_refusal([&](Recorder& r) { plan_slice({x, y, {}, {}}, r); }, "rank 1");
}

TEST(Split, IsConsecutiveSlices) {
  std::mt19937 random(4);
  for (const Storage storage : test::storages()) {
    for (uint32_t axis = 0; axis < 2; ++axis) {
      Runner runner(test_device());
      const Array x = random_array(random, {12, 12}, storage);
      SplitProblem problem{upload(runner, x, storage), {}, axis};
      std::vector<Array> expected;
      int32_t start = 0;
      for (const uint32_t size : {4u, 1u, 0u, 7u}) {
        Shape shape{12, 12};
        shape[axis] = size;
        std::vector<int32_t> starts{0, 0};
        starts[axis] = start;
        expected.push_back(ref::slice(x, starts, {1, 1}, shape));
        problem.outputs.push_back(runner.allocate(storage, shape));
        start += static_cast<int32_t>(size);
      }
      plan_split(problem, runner.recorder());
      runner.run();
      for (size_t k = 0; k < expected.size(); ++k) expect_equal(runner, problem.outputs[k], expected[k], "split");
    }
  }
}

TEST(Concat, AnyNumberOfInputsAndAxes) {
  std::mt19937 random(5);
  for (const uint32_t count : {1u, 2u, 3u, 7u, 8u, 16u}) {
    for (uint32_t axis = 0; axis < 3; ++axis) {
      for (const Storage storage : test::storages()) {
        Runner runner(test_device());
        ConcatProblem problem{{}, {}, axis};
        std::vector<Array> inputs;
        for (uint32_t k = 0; k < count; ++k) {
          Shape shape{3, 4, 2};
          shape[axis] = k == 1 ? 0 : 1 + random() % 5;
          inputs.push_back(random_array(random, shape, storage));
          problem.inputs.push_back(upload(runner, inputs.back(), storage));
        }
        const Array expected = ref::concat(inputs, axis);
        problem.y = runner.allocate(storage, expected.shape);
        plan_concat(problem, runner.recorder());
        runner.run();
        expect_equal(runner, problem.y, expected, std::to_string(count) + " inputs, axis " + std::to_string(axis));
      }
    }
  }
}

TEST(Concat, Refusals) {
  const Tensor a{1, Storage::kF32, {2, 3}}, b{2, Storage::kF32, {2, 4}}, y{3, Storage::kF32, {2, 7}};
  expect_refusal([&](Recorder& r) { plan_concat({{a, b}, y, 0}, r); }, "does not fit");
  expect_refusal([&](Recorder& r) { plan_concat({{a}, y, 1}, r); }, "must have size 3, got 7");
  expect_refusal([&](Recorder& r) { plan_concat({{a, b}, y, 2}, r); }, "axis 2 is not below the rank 2");
}

TEST(Expand, RepeatsAlongAxesOfSizeOne) {
  std::mt19937 random(6);
  const std::pair<Shape, Shape> cases[] = {{{}, {5}},
                                           {{1}, {3, 4}},
                                           {{3, 1}, {3, 8}},
                                           {{8}, {3, 8}},
                                           {{2, 1, 4}, {2, 5, 4}},
                                           {{2, 1, 3, 1}, {2, 6, 3, 2}},
                                           {{1, 1}, {0, 4}},
                                           {{4, 1, 1, 8}, {4, 2, 3, 8}}};
  for (const auto& [from, to] : cases) {
    for (const Storage storage : test::storages()) {
      Runner runner(test_device());
      const Array x = random_array(random, from, storage);
      const Tensor out = runner.allocate(storage, to);
      plan_expand({upload(runner, x, storage), out}, runner.recorder());
      runner.run();
      expect_equal(runner, out, ref::expand(x, to), std::string("expand ") + test::text(storage));
    }
  }
  expect_refusal(
      [&](Recorder& r) {
        plan_expand({{1, Storage::kF32, {3}}, {2, Storage::kF32, {4}}}, r);
      },
      "shape 3 does not broadcast to 4");
}

TEST(Tile, RepeatsWholeTensors) {
  std::mt19937 random(7);
  const std::pair<Shape, Shape> cases[] = {
      {{3}, {9}}, {{2, 3}, {2, 6}}, {{2, 3}, {4, 3}}, {{2, 4, 5}, {6, 4, 10}}, {{2, 8}, {4, 16}}};
  for (const auto& [from, to] : cases) {
    for (const Storage storage : test::storages()) {
      Runner runner(test_device());
      const Array x = random_array(random, from, storage);
      const Tensor out = runner.allocate(storage, to);
      plan_tile({upload(runner, x, storage), out}, runner.recorder());
      runner.run();
      expect_equal(runner, out, ref::tile(x, to), std::string("tile ") + test::text(storage));
    }
  }
  expect_refusal(
      [&](Recorder& r) {
        plan_tile({{1, Storage::kF32, {3}}, {2, Storage::kF32, {4}}}, r);
      },
      "does not repeat");
}

TEST(Copy, KeepsElementsAcrossShapes) {
  std::mt19937 random(8);
  auto storages = test::storages();
  storages.push_back(Storage::kBytes);
  for (const Storage storage : storages) {
    for (const uint32_t count : {0u, 1u, 3u, 31u, 32u, 33u, 255u, 257u, 70000u}) {
      Runner runner(test_device());
      Array x = random_array(random, {count}, storage);
      const Tensor out = runner.allocate(storage, {1, count});
      plan_copy({upload(runner, x, storage), out}, runner.recorder());
      runner.run();
      expect_equal(runner, out, x, std::string("copy ") + test::text(storage));
    }
  }
}

TEST(Pad, PadsAndCrops) {
  std::mt19937 random(9);
  struct Case {
    Shape x;
    std::vector<int32_t> begins;
    Shape y;
  };
  const Case cases[] = {{{4}, {2}, {9}},
                        {{4}, {-1}, {2}},
                        {{3, 5}, {0, 2}, {3, 8}},
                        {{3, 5}, {1, 0}, {6, 5}},
                        {{2, 3, 4}, {1, -1, 2}, {4, 2, 5}},
                        {{2, 0}, {0, 1}, {2, 3}},
                        {{2, 3, 4, 5}, {0, 0, 1, 0}, {2, 3, 7, 5}},
                        {{2, 2}, {5, 5}, {3, 3}}};
  for (const Case& c : cases) {
    for (const Storage storage : test::storages()) {
      Runner runner(test_device());
      const Array x = random_array(random, c.x, storage);
      const Tensor out = runner.allocate(storage, c.y);
      plan_pad({upload(runner, x, storage), out, c.begins, 7}, runner.recorder());
      runner.run();
      expect_equal(runner, out, ref::pad(x, c.begins, c.y, 7), std::string("pad ") + test::text(storage));
    }
  }
}

TEST(Trilu, UpperAndLower) {
  std::mt19937 random(10);
  for (const int32_t k : {-40, -2, -1, 0, 1, 3, 40}) {
    for (const bool upper : {false, true}) {
      for (const Storage storage : test::storages()) {
        Runner runner(test_device());
        const Array x = random_array(random, {2, 5, 7}, storage);
        const Tensor out = runner.allocate(storage, x.shape);
        plan_trilu({upload(runner, x, storage), out, k, upper}, runner.recorder());
        runner.run();
        expect_equal(runner, out, ref::trilu(x, k, upper), "trilu " + std::to_string(k));
      }
    }
  }
}

TEST(Fill, EveryStorageAndSize) {
  auto storages = test::storages();
  storages.push_back(Storage::kBytes);
  for (const Storage storage : storages) {
    for (const uint32_t count : {0u, 1u, 3u, 256u, 257u, 1027u}) {
      Runner runner(test_device());
      const Tensor y = runner.allocate(storage, {count});
      const bool is_signed = storage != Storage::kU32 && storage != Storage::kBytes;
      plan_fill({y, is_signed ? -5.0 : 200.0}, runner.recorder());
      runner.run();
      expect_equal(runner, y, Array({count}, is_signed ? -5 : 200), std::string("fill ") + test::text(storage));
    }
  }
}

TEST(Range, FloatsAndInts) {
  for (const Storage storage : {Storage::kF32, Storage::kF16, Storage::kI32}) {
    if (storage == Storage::kF16 && !test::has_f16()) continue;
    Runner runner(test_device());
    const Tensor y = runner.allocate(storage, {300});
    const double start = -7, delta = storage == Storage::kI32 ? 3 : 0.25;
    plan_range({y, start, delta}, runner.recorder());
    runner.run();
    Array expected({300});
    for (size_t i = 0; i < 300; ++i) expected.values[i] = start + static_cast<double>(i) * delta;
    expect_equal(runner, y, expected, std::string("range ") + test::text(storage));
  }
  expect_refusal([](Recorder& r) { plan_range({{1, Storage::kU32, {4}}, 0, 1}, r); }, "float or int");
}

}  // namespace
}  // namespace sluice::kernels
