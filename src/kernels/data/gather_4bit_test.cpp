// GatherBlockQuantized of 4-bit types: random shapes, axes and blocks against the definition, element by element.
#include "kernels/data/gather_4bit.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/data/test_arrays.h"

namespace sluice::kernels {
namespace {

using ref::Array;
using ref::Shape;
using test::expect_equal;
using test::random_array;
using test::random_indices;
using test::upload;

struct Case {
  Shape shape, index_shape;
  uint32_t gather_axis, quantize_axis, block_size;
  bool is_signed, zero_points;
  Storage storage;

  std::string text() const {
    return fmt::format("shape {} indices {} axes {} {} block {} signed {} zero points {} {}", shape_text(shape),
                       shape_text(index_shape), gather_axis, quantize_axis, block_size, is_signed, zero_points,
                       wgsl_type(storage));
  }
};

double four_bits(const Array& bytes, size_t at, bool is_signed) {
  const int value = (static_cast<int>(bytes.values[at / 2]) >> (at % 2 * 4)) & 15;
  return is_signed && value > 7 ? value - 16 : value;
}

struct Table {
  Array data, scales, zero_points;
};

// Walks y's coordinates: those before the gather axis, the indices', those after.
Array reference(const Case& c, const Table& table, const Array& indices) {
  Array y;
  y.values.clear();
  y.shape.assign(c.shape.begin(), c.shape.begin() + c.gather_axis);
  y.shape.insert(y.shape.end(), c.index_shape.begin(), c.index_shape.end());
  y.shape.insert(y.shape.end(), c.shape.begin() + c.gather_axis + 1, c.shape.end());
  size_t total = 1, inner = 1;
  for (const uint32_t size : y.shape) total *= size;
  for (size_t a = c.gather_axis + 1; a < c.shape.size(); ++a) inner *= c.shape[a];
  for (size_t i = 0; i < total; ++i) {
    auto index = static_cast<int64_t>(indices.values[i / inner % indices.size()]);
    const int64_t axis = c.shape[c.gather_axis];
    if (index < 0) index += axis;
    if (index < 0 || index >= axis) {
      y.values.push_back(0);
      continue;
    }
    size_t rest = (i / inner / indices.size() * static_cast<size_t>(axis) + static_cast<size_t>(index)) * inner;
    const size_t at = rest += i % inner;
    size_t scale = 0, stride = 1;
    for (size_t a = c.shape.size(); a-- > 0; rest /= c.shape[a]) {
      const size_t coordinate = rest % c.shape[a];
      scale += (a == c.quantize_axis ? coordinate / c.block_size : coordinate) * stride;
      stride *= table.scales.shape[a];
    }
    const double zero = c.zero_points ? four_bits(table.zero_points, scale, c.is_signed) : 0;
    const auto value = static_cast<float>(four_bits(table.data, at, c.is_signed) - zero);
    y.values.push_back(value * static_cast<float>(table.scales.values[scale]));
  }
  return y;
}

uint32_t packed_bytes(const Shape& shape) {
  uint32_t count = 1;
  for (const uint32_t size : shape) count *= size;
  return (count + 1) / 2;
}

void check(const Case& c, std::mt19937& random) {
  Table table;
  table.data = random_array(random, {packed_bytes(c.shape)}, Storage::kBytes);
  Shape scales = c.shape;
  scales[c.quantize_axis] = ceil_div(scales[c.quantize_axis], c.block_size);
  table.scales = random_array(random, scales, c.storage);
  table.zero_points = random_array(random, {packed_bytes(scales)}, Storage::kBytes);
  const auto size = static_cast<int32_t>(c.shape[c.gather_axis]);
  const Array indices = random_indices(random, c.index_shape, -size - 2, size + 1);
  const Array expected = reference(c, table, indices);
  Runner runner(test_device());
  Gather4BitProblem problem{.data = upload(runner, table.data, Storage::kBytes),
                            .indices = upload(runner, indices, Storage::kI32),
                            .scales = upload(runner, table.scales, c.storage),
                            .zero_points = {},
                            .y = runner.allocate(c.storage, expected.shape),
                            .shape = c.shape,
                            .is_signed = c.is_signed,
                            .block_size = c.block_size,
                            .gather_axis = c.gather_axis,
                            .quantize_axis = c.quantize_axis};
  if (c.zero_points) problem.zero_points = upload(runner, table.zero_points, Storage::kBytes);
  plan_gather_4bit(problem, runner.recorder());
  runner.run();
  expect_equal(runner, problem.y, expected, c.text(), c.storage == Storage::kF16 ? 1e-3 : 0);
}

TEST(Gather4Bit, RandomAxesAndShapes) {
  for (uint32_t seed = 0; seed < 120; ++seed) {
    std::mt19937 random(seed);
    Case c;
    const uint32_t rank = 2 + random() % 3;
    for (uint32_t a = 0; a < rank; ++a) c.shape.push_back(1 + random() % 9);
    c.gather_axis = random() % rank;
    c.quantize_axis = random() % rank;
    c.block_size = 16u << random() % 4;
    c.shape[c.quantize_axis] = 1 + random() % 150;
    for (uint32_t a = random() % 3; a > 0; --a) c.index_shape.push_back(1 + random() % 5);
    c.is_signed = random() % 2 == 0;
    c.zero_points = random() % 2 == 0;
    c.storage = random() % 2 == 0 && test::has_f16() ? Storage::kF16 : Storage::kF32;
    SCOPED_TRACE(fmt::format("seed {}", seed));
    check(c, random);
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

TEST(Gather4Bit, Refusals) {
  const Gather4BitProblem good{.data = {1, Storage::kBytes, {83}},
                               .indices = {2, Storage::kI32, {3}},
                               .scales = {3, Storage::kF32, {5, 3}},
                               .zero_points = {4, Storage::kBytes, {8}},
                               .y = {5, Storage::kF32, {3, 33}},
                               .shape = {5, 33},
                               .is_signed = false,
                               .block_size = 16,
                               .gather_axis = 0,
                               .quantize_axis = 1};
  const auto refuse = [](const Gather4BitProblem& p, const std::string& message) {
    test::expect_refusal([&](Recorder& r) { plan_gather_4bit(p, r); }, message);
  };
  Recorder recorder(test_device().caps());
  EXPECT_NO_THROW(plan_gather_4bit(good, recorder));
  auto p = good;
  p.block_size = 8;
  refuse(p, "power of two from 16, got 8");
  p = good;
  p.gather_axis = 2;
  refuse(p, "axes 2 and 1 must be below data's 2 dimensions");
  p = good;
  p.data.shape = {82};
  refuse(p, "data must hold 83 bytes for 165 values, got 82");
  p = good;
  p.zero_points.shape = {15};
  refuse(p, "zero_points must hold 8 bytes for 15 values, got 15");
  p = good;
  p.scales.shape = {5, 2};
  refuse(p, "scales must have shape 5x3, got 5x2");
  p = good;
  p.shape = {165};
  refuse(p, "at least 2 dimensions, got 1");
}

}  // namespace
}  // namespace sluice::kernels
