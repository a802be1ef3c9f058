// Gather, GatherElements, GatherND, GatherBlockQuantized, ScatterElements and ScatterND.
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "kernels/data/gather.h"
#include "kernels/data/gather_block_quantized.h"
#include "kernels/data/gather_elements.h"
#include "kernels/data/gather_nd.h"
#include "kernels/data/scatter_elements.h"
#include "kernels/data/scatter_nd.h"
#include "kernels/data/test_arrays.h"

namespace sluice::kernels {
namespace {

using ref::Array;
using ref::Shape;
using test::expect_equal;
using test::expect_refusal;
using test::random_array;
using test::random_indices;
using test::upload;

double missing(Storage storage) {
  const bool is_float = storage == Storage::kF32 || storage == Storage::kF16;
  return is_float ? std::numeric_limits<double>::quiet_NaN() : 0;
}

TEST(Gather, EveryAxisNegativeAndOutOfRange) {
  std::mt19937 random(1);
  for (const Shape& shape : {Shape{6}, {6, 1}, {5, 3}, {4, 6, 8}, {3, 2, 4, 2}, {300, 16}}) {
    for (uint32_t axis = 0; axis < shape.size(); ++axis) {
      for (const Shape& index_shape : {Shape{}, {1}, {33}, {2, 3}}) {
        for (const Storage storage : test::storages()) {
          Runner runner(test_device());
          const auto size = static_cast<int32_t>(shape[axis]);
          const Array data = random_array(random, shape, storage);
          const Array indices = random_indices(random, index_shape, -size - 1, size);
          const Array expected = ref::gather(data, indices, axis, missing(storage));
          const Tensor y = runner.allocate(storage, expected.shape);
          plan_gather({upload(runner, data, storage), upload(runner, indices, Storage::kI32), y, axis},
                      runner.recorder());
          runner.run();
          expect_equal(runner, y, expected, std::string("gather ") + test::text(storage) + " of " + shape_text(shape));
        }
      }
    }
  }
}

TEST(Gather, HugeIndicesAndRefusals) {
  Runner runner(test_device());
  const Tensor y = runner.allocate(Storage::kI32, {4});
  plan_gather({runner.upload({3}, {7, 8, 9}), runner.upload({4}, {2147483647, -2147483647 - 1, -3, 2}), y, 0},
              runner.recorder());
  runner.run();
  EXPECT_EQ(runner.read_ints(y), (std::vector<int32_t>{0, 0, 7, 9}));
  const Tensor f{1, Storage::kF32, {3, 2}}, i{2, Storage::kI32, {4}};
  expect_refusal(
      [&](Recorder& r) {
        plan_gather({f, f, {3, Storage::kF32, {3, 2}}, 0}, r);
      },
      "indices must be integers");
  expect_refusal([&](Recorder& r) { plan_gather({f, i, {3, Storage::kF32, {4, 3}}, 0}, r); }, "must have 8 elements");
  expect_refusal([&](Recorder& r) { plan_gather({f, i, {3, Storage::kF32, {4, 2}}, 2}, r); }, "axis 2");
}

TEST(GatherElements, EveryAxis) {
  std::mt19937 random(2);
  const std::pair<Shape, Shape> cases[] = {
      {{7}, {4}},          {{5, 6}, {5, 9}}, {{5, 6}, {3, 6}}, {{2, 3, 4}, {2, 3, 4}}, {{2, 3, 4, 2}, {1, 2, 4, 2}},
      {{33, 128}, {33, 8}}};
  for (const auto& [shape, index_shape] : cases) {
    for (uint32_t axis = 0; axis < shape.size(); ++axis) {
      bool fits = true;
      for (size_t d = 0; d < shape.size(); ++d) fits = fits && (d == axis || index_shape[d] <= shape[d]);
      if (!fits) continue;
      for (const Storage storage : test::storages()) {
        Runner runner(test_device());
        const auto size = static_cast<int32_t>(shape[axis]);
        const Array data = random_array(random, shape, storage);
        const Array indices = random_indices(random, index_shape, -size - 1, size);
        const Tensor y = runner.allocate(storage, index_shape);
        plan_gather_elements({upload(runner, data, storage), upload(runner, indices, Storage::kI32), y, axis},
                             runner.recorder());
        runner.run();
        expect_equal(runner, y, ref::gather_elements(data, indices, axis, missing(storage)),
                     "axis " + std::to_string(axis) + " " + test::text(storage));
      }
    }
  }
}

struct NdCase {
  Shape data, indices;
  uint32_t batch_dims = 0;
};

TEST(GatherNd, TuplesAndBatches) {
  std::mt19937 random(3);
  const NdCase cases[] = {{{5, 4}, {3, 1}},          {{5, 4}, {3, 2}},          {{3, 4, 8}, {2, 3, 2}},
                          {{3, 4, 8}, {3, 5, 1}, 1}, {{3, 4, 2}, {3, 4, 1}, 2}, {{6}, {1}},
                          {{2, 3, 4, 4}, {7, 3}}};
  for (const NdCase& c : cases) {
    for (const Storage storage : test::storages()) {
      Runner runner(test_device());
      const Array data = random_array(random, c.data, storage);
      const Array indices = random_indices(random, c.indices, -4, 3);
      const Array expected = ref::gather_nd(data, indices, c.batch_dims, missing(storage));
      const Tensor y = runner.allocate(storage, expected.shape);
      plan_gather_nd({upload(runner, data, storage), upload(runner, indices, Storage::kI32), y, c.batch_dims},
                     runner.recorder());
      runner.run();
      expect_equal(runner, y, expected, "data " + shape_text(c.data) + " indices " + shape_text(c.indices));
    }
  }
  const Tensor data{1, Storage::kF32, {5, 4}}, indices{2, Storage::kI32, {3, 3}}, y{3, Storage::kF32, {3}};
  expect_refusal([&](Recorder& r) { plan_gather_nd({data, indices, y, 0}, r); }, "do not fit data of shape 5x4");
}

TEST(ScatterNd, DistinctTuples) {
  std::mt19937 random(4);
  const NdCase cases[] = {{{8, 4}, {5, 1}}, {{4, 3}, {7, 2}}, {{9}, {4, 1}}, {{3, 4, 8}, {6, 2}}, {{3, 4, 2}, {0, 1}}};
  for (const NdCase& c : cases) {
    for (const Storage storage : test::storages()) {
      Runner runner(test_device());
      const Array data = random_array(random, c.data, storage);
      // Distinct tuples: numbers of a shuffled list of all of them, the first of them out of range.
      const uint32_t tuple = c.indices.back();
      uint32_t all = 1;
      for (uint32_t k = 0; k < tuple; ++k) all *= c.data[k];
      std::vector<uint32_t> order(all);
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end(), random);
      Array indices(c.indices);
      for (uint32_t n = 0; n < c.indices[0]; ++n) {
        uint32_t rest = order[n];
        for (uint32_t k = tuple; k-- > 0; rest /= c.data[k]) {
          const auto i = static_cast<int32_t>(rest % c.data[k]);
          indices.at({n, k}) = n == 0 ? 100 : n % 2 ? i : i - static_cast<int32_t>(c.data[k]);
        }
      }
      Shape update_shape{c.indices[0]};
      update_shape.insert(update_shape.end(), c.data.begin() + tuple, c.data.end());
      const Array updates = random_array(random, update_shape, storage);
      const Tensor y = runner.allocate(storage, c.data);
      plan_scatter_nd(
          {upload(runner, data, storage), upload(runner, indices, Storage::kI32), upload(runner, updates, storage), y},
          runner.recorder());
      runner.run();
      expect_equal(runner, y, ref::scatter_nd(data, indices, updates), "data " + shape_text(c.data));
    }
  }
}

struct ScatterCase {
  Shape data, indices;
  uint32_t axis;
};

TEST(ScatterElements, ReductionsKeepTheirOrder) {
  std::mt19937 random(5);
  const ScatterCase cases[] = {
      {{9}, {5}, 0},        {{9}, {200}, 0},           {{4, 128}, {4, 8}, 1},     {{5, 3}, {4, 2}, 0},
      {{5, 3}, {70, 3}, 0}, {{2, 3, 4}, {2, 2, 6}, 2}, {{2, 3, 4}, {1, 5, 4}, 1}, {{3, 100}, {3, 0}, 1}};
  const ScatterReduction reductions[] = {ScatterReduction::kNone, ScatterReduction::kAdd, ScatterReduction::kMul,
                                         ScatterReduction::kMin, ScatterReduction::kMax};
  for (const ScatterCase& c : cases) {
    for (const ScatterReduction reduction : reductions) {
      for (const Storage storage : test::storages()) {
        if (storage == Storage::kU32 && reduction != ScatterReduction::kNone) continue;
        // Products of a long line leave every type's range.
        if (reduction == ScatterReduction::kMul && c.indices[c.axis] > 10) continue;
        if (reduction == ScatterReduction::kMul && storage != Storage::kF32) continue;
        Runner runner(test_device());
        const auto size = static_cast<int32_t>(c.data[c.axis]);
        const Array data = random_array(random, c.data, storage);
        const Array indices = random_indices(random, c.indices, -size - 1, size);
        Array updates = random_array(random, c.indices, storage);
        const bool is_float = storage == Storage::kF32 || storage == Storage::kF16;
        if (is_float && updates.size() > 2) updates.values[2] = std::nan("");
        const Tensor y = runner.allocate(storage, c.data);
        plan_scatter_elements({upload(runner, data, storage), upload(runner, indices, Storage::kI32),
                               upload(runner, updates, storage), y, c.axis, reduction},
                              runner.recorder());
        runner.run();
        expect_equal(runner, y, ref::scatter_elements(data, indices, updates, c.axis, reduction),
                     fmt::format("reduction {} data {} indices {} {}", static_cast<int>(reduction), shape_text(c.data),
                                 shape_text(c.indices), test::text(storage)),
                     storage == Storage::kF32 ? 1e-6 : 1e-3);
      }
    }
  }
}

struct TableCase {
  Shape shape;  // in values
  uint32_t bits, block_size;
};

TEST(GatherBlockQuantized, BitsBlocksAndZeroPoints) {
  std::mt19937 random(6);
  const TableCase cases[] = {{{5, 64}, 4, 32},    {{5, 48}, 4, 32},  {{5, 40}, 4, 16}, {{7, 100}, 8, 16},
                             {{7, 37}, 8, 32},    {{6, 128}, 2, 16}, {{6, 72}, 2, 16}, {{3, 2, 80}, 4, 16},
                             {{20, 256}, 4, 128}, {{4, 6}, 4, 16},   {{5, 90}, 4, 32}};
  for (const TableCase& c : cases) {
    for (const bool zero_points : {false, true}) {
      for (const Storage storage : {Storage::kF32, Storage::kF16}) {
        if (storage == Storage::kF16 && !test::has_f16()) continue;
        Shape bytes = c.shape, scale_shape = c.shape, zero_shape = c.shape;
        bytes.back() = c.shape.back() * c.bits / 8;
        scale_shape.back() = (c.shape.back() + c.block_size - 1) / c.block_size;
        zero_shape.back() = (scale_shape.back() * c.bits + 7) / 8;
        const Array data = random_array(random, bytes, Storage::kBytes);
        const Array scales = random_array(random, scale_shape, storage);
        const Array zeros = random_array(random, zero_shape, Storage::kBytes);
        const Array indices = random_indices(random, {2, 4}, -static_cast<int32_t>(c.shape[0]) - 1, 3);
        ref::BlockQuantized table{bytes, {}, {}, scales.values, c.bits, c.block_size};
        table.data.assign(data.values.begin(), data.values.end());
        if (zero_points) table.zero_points.assign(zeros.values.begin(), zeros.values.end());
        const Array expected = ref::gather_block_quantized(table, indices);

        Runner runner(test_device());
        GatherBlockQuantizedProblem problem{upload(runner, data, Storage::kBytes),
                                            upload(runner, indices, Storage::kI32),
                                            upload(runner, scales, storage),
                                            {},
                                            runner.allocate(storage, expected.shape),
                                            c.bits,
                                            c.block_size};
        if (zero_points) problem.zero_points = upload(runner, zeros, Storage::kBytes);
        plan_gather_block_quantized(problem, runner.recorder());
        runner.run();
        expect_equal(runner, problem.y, expected, fmt::format("bits {} block {} {}", c.bits, c.block_size, zero_points),
                     storage == Storage::kF16 ? 1e-3 : 0);
      }
    }
  }
}

TEST(GatherBlockQuantized, Refusals) {
  GatherBlockQuantizedProblem problem{{1, Storage::kBytes, {5, 32}},
                                      {2, Storage::kI32, {3}},
                                      {3, Storage::kF32, {5, 2}},
                                      {},
                                      {4, Storage::kF32, {3, 64}},
                                      4,
                                      32};
  const auto refuse = [&problem](const std::string& message) {
    expect_refusal([&](Recorder& r) { plan_gather_block_quantized(problem, r); }, message);
  };
  problem.bits = 3;
  refuse("bits must be 2, 4 or 8, got 3");
  problem.bits = 4;
  problem.block_size = 24;
  refuse("got 24");
  problem.block_size = 16;
  refuse("scales must have shape 5x4, got 5x2");
  problem.block_size = 32;
  problem.zero_points = {5, Storage::kBytes, {5, 2}};
  refuse("zero_points must have shape 5x1, got 5x2");
}

}  // namespace
}  // namespace sluice::kernels
