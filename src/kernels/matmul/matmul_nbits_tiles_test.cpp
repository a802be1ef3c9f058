// The products of many rows: every core and every shape of tile, at sizes about its edges.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "kernels/matmul/matmul_nbits.h"
#include "kernels/matmul/matmul_ref.h"
#include "kernels/matmul/nbits_fixture.h"
#include "kernels/matmul/tile_plan.h"

namespace sluice::kernels {
namespace {

constexpr float kDotTolerance = 1e-3f;  // a value that lies between two integers may become either

struct Case {
  MatMulNBitsVariant variant = MatMulNBitsVariant::kGemm;
  uint32_t tile = 0, m = 1, n = 1, k = 32, bits = 4, block_size = 32;
  ZeroPoints zero_points = ZeroPoints::kPacked;
  Storage x = Storage::kF32;

  std::string text() const {
    return fmt::format("variant {} tile {} m {} n {} k {} bits {} block {} zp {} x {}", static_cast<int>(variant), tile,
                       m, n, k, bits, block_size, static_cast<int>(zero_points), wgsl_type(x));
  }
};

// A bias and a residual always: they need no case of their own.
MatMulNBitsProblem upload(Runner& runner, const Case& c, const NBitsData& d) {
  MatMulNBitsProblem p;
  p.b = upload_weights(runner, d, Storage::kF32, true);
  p.scales = runner.upload(Storage::kF32, {c.n, d.blocks()}, d.scales);
  if (!d.zero_points.empty()) {
    const uint32_t bytes = (d.blocks() * d.bits + 7) / 8;
    p.zero_points = runner.upload_bytes({d.rows, bytes}, pack_bits(d.zero_points, d.bits, d.blocks(), bytes));
  }
  p.y = runner.allocate(c.x, {c.m, c.n});
  p.n = c.n;
  p.k = c.k;
  p.bits = c.bits;
  p.block_size = c.block_size;
  p.variant = c.variant;
  p.tile = c.tile;
  return p;
}

void check(const Case& c, uint32_t seed) {
  Random random(seed);
  const NBitsData d = random_nbits(random, {1, c.n, c.k, c.bits, c.block_size, c.zero_points, Storage::kF32});
  auto a = random_floats(random, size_t{c.m} * c.k, c.x);
  const auto bias = random_floats(random, c.n, Storage::kF32);
  const auto residual = random_floats(random, size_t{c.m} * c.n, c.x);
  Runner runner(test_device());
  MatMulNBitsProblem p = upload(runner, c, d);
  p.a = runner.upload(c.x, {c.m, c.k}, a);
  p.bias = runner.upload(Storage::kF32, {c.n}, bias);
  p.residual = runner.upload(c.x, {c.m, c.n}, residual);
  plan_matmul_nbits(p, runner.recorder());
  runner.run();
  const bool dots = c.variant == MatMulNBitsVariant::kDots;
  if (dots) a = quantised_to_8_bits(a, c.k, 32);
  const auto expected = matmul_nbits_reference(a, d, bias, residual);
  expect_close(runner.read_floats(p.y), expected, c.x, c.text(), dots ? kDotTolerance : 0);
}

// Every shape of tile over sizes at its edges; K ends within a step, and with one.
void check_tiles(MatMulNBitsVariant variant, TileCore core, Storage x) {
  const auto shapes = tile_shapes(core, test_device().caps());
  ASSERT_FALSE(shapes.empty());
  uint32_t seed = 0;
  for (uint32_t i = 0; i < shapes.size(); ++i) {
    const TileShape& t = shapes[i];
    for (const uint32_t m : {1u, t.rows - 1, t.rows + 1}) {
      const uint32_t n = m == 1 ? t.columns + 1 : t.columns - (m > t.rows ? 0 : 1);
      Case c{variant, i + 1, m, n, ++seed % 2 == 0 ? 128u : 96u};
      c.x = x;
      check(c, seed);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

void check_bits(MatMulNBitsVariant variant, Storage x) {
  uint32_t seed = 100;
  for (const uint32_t bits : {2u, 4u, 8u}) {
    for (const uint32_t block : {32u, 64u, 128u}) {
      for (const auto zero : {ZeroPoints::kNone, ZeroPoints::kPacked}) {
        if (variant == MatMulNBitsVariant::kDots && bits == 8 && zero != ZeroPoints::kNone) continue;
        check({variant, 0, 20, 37, 288, bits, block, zero, x}, ++seed);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(MatMulNBitsTiles, MultiplyAdds) { check_tiles(MatMulNBitsVariant::kGemm, TileCore::kMultiplyAdds, Storage::kF32); }

TEST(MatMulNBitsTiles, PackedDots) {
  if (!test_device().caps().dot4i8) GTEST_SKIP() << "the device has no packed dot products";
  for (const Storage x : float_storages()) check_tiles(MatMulNBitsVariant::kDots, TileCore::kDots, x);
}

TEST(MatMulNBitsTiles, PackedDotsOfAllBits) {
  if (!test_device().caps().dot4i8) GTEST_SKIP() << "the device has no packed dot products";
  check_bits(MatMulNBitsVariant::kDots, Storage::kF32);
}

TEST(MatMulNBitsTiles, PackedDotsOfZerosAndTinyValues) {
  if (!test_device().caps().dot4i8) GTEST_SKIP() << "the device has no packed dot products";
  Runner runner(test_device());
  Random random(7);
  const Case c{MatMulNBitsVariant::kDots, 0, 9, 8, 64};
  const NBitsData d = random_nbits(random, {1, c.n, c.k, 4, 32, ZeroPoints::kNone, Storage::kF32});
  std::vector<float> a(size_t{c.m} * c.k, 0.0f);
  for (uint32_t k = 0; k < c.k; ++k) a[c.k + k] = 1e-42f;
  a[2 * c.k] = std::numeric_limits<float>::infinity();
  a[3 * c.k + 40] = std::nanf("");
  MatMulNBitsProblem p = upload(runner, c, d);
  p.a = runner.upload(Storage::kF32, {c.m, c.k}, a);
  plan_matmul_nbits(p, runner.recorder());
  runner.run();
  const auto y = runner.read_floats(p.y);
  for (uint32_t i = 0; i < y.size(); ++i) {
    const uint32_t row = i / c.n;
    EXPECT_EQ(std::isnan(y[i]), row == 2 || row == 3) << i;
    if (row != 2 && row != 3) {
      EXPECT_EQ(y[i], 0.0f) << i;
    }
  }
}

TEST(MatMulNBitsTiles, Matrices) {
  if (!has_subgroup_matrices(test_device().caps())) GTEST_SKIP() << "the device has no subgroup matrices of f16";
  check_tiles(MatMulNBitsVariant::kMatrices, TileCore::kMatrices, Storage::kF16);
  check_bits(MatMulNBitsVariant::kMatrices, Storage::kF16);
}

MatMulNBitsProblem problem(uint32_t m, Storage x) {
  MatMulNBitsProblem p;
  p.a = {1, x, {m, 256}};
  p.b = {2, Storage::kBytes, {512, 8, 16}};
  p.scales = {3, x, {512, 8}};
  p.y = {4, x, {m, 512}};
  p.n = 512;
  p.k = 256;
  return p;
}

uint32_t core_of(const MatMulNBitsProblem& p, const gpu::Caps& caps) {
  Recorder recorder(caps);
  plan_matmul_nbits(p, recorder);
  const Dispatch& last = recorder.dispatches().back();
  for (const auto& [name, value] : last.shader.defines) {
    if (name == "CORE") return std::get<uint32_t>(value);
  }
  return 99;
}

TEST(MatMulNBitsTiles, WhatThePlannerTakes) {
  gpu::Caps caps = caps_with_matrices();
  MatMulNBitsProblem half = problem(65, Storage::kF16), single = problem(65, Storage::kF32);
  EXPECT_EQ(core_of(half, caps), 1u);
  EXPECT_EQ(core_of(single, caps), 0u);  // its products are not rounded to f16
  caps.dot4i8 = true;
  EXPECT_EQ(core_of(single, caps), 0u);  // nor its activations to 8 bits, unless the model allows it
  half.accuracy_level = single.accuracy_level = 4;
  EXPECT_EQ(core_of(half, caps), 1u);
  EXPECT_EQ(core_of(single, caps), 2u);
  half.a.shape = {64, 256};
  half.y.shape = {64, 512};
  EXPECT_EQ(core_of(half, caps), 2u);
  single.zero_points = {5, Storage::kF32, {512, 8}};
  EXPECT_EQ(core_of(single, caps), 0u);  // a float zero point
  half = problem(65, Storage::kF16);
  caps.subgroup_min = 16;
  EXPECT_EQ(core_of(half, caps), 0u);  // who owns which rows of a matrix tile would not be known
}

// The device's compiler sees a text only on a device that has the feature; SLUICE_DUMP_WGSL keeps these for Tint.
TEST(MatMulNBitsTiles, TextsWithMatricesExpand) {
  const gpu::Caps caps = caps_with_matrices();
  std::set<std::string> texts;
  for (uint32_t tile = 1; tile <= tile_shapes(TileCore::kMatrices, caps).size(); ++tile) {
    MatMulNBitsProblem p = problem(64, Storage::kF16);
    p.tile = tile;
    p.variant = MatMulNBitsVariant::kMatrices;
    Recorder recorder(caps);
    plan_matmul_nbits(p, recorder);
    const shader::Shader& shader = recorder.dispatches().back().shader;
    shader::dump(shader);
    texts.insert(shader::expand(shader, {}));
    EXPECT_TRUE(shader::is_for_tint_only(*texts.begin()));
  }
  EXPECT_GE(texts.size(), 4u);
}

TEST(MatMulNBitsTiles, Refusals) {
  const auto refused = [](const MatMulNBitsProblem& p, const gpu::Caps& caps) -> std::string {
    Recorder recorder(caps);
    try {
      plan_matmul_nbits(p, recorder);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  MatMulNBitsProblem p = problem(64, Storage::kF32);
  p.variant = MatMulNBitsVariant::kMatrices;
  EXPECT_NE(refused(p, caps_with_matrices()).find("float16 activations"), std::string::npos);
  p.variant = MatMulNBitsVariant::kDots;
  EXPECT_NE(refused(p, gpu::Caps{}).find("packed dot products"), std::string::npos);
  p.variant = MatMulNBitsVariant::kGemm;
  p.tile = 1000;
  EXPECT_NE(refused(p, gpu::Caps{}).find("got number 1000"), std::string::npos);
}

TEST(TileShape, FitsTheDeviceAndTheProduct) {
  const gpu::Caps small;  // WebGPU's guaranteed limits
  for (const auto core : {TileCore::kMultiplyAdds, TileCore::kDots}) EXPECT_FALSE(tile_shapes(core, small).empty());
  const gpu::Caps large = caps_with_matrices();
  EXPECT_TRUE(tile_shapes(TileCore::kMatrices, small).empty());
  EXPECT_FALSE(tile_shapes(TileCore::kMatrices, large).empty());
  const auto fma = TileCore::kMultiplyAdds;
  EXPECT_EQ(tile_shape({fma, 2048, 4096}, small).rows, 128u);
  EXPECT_LE(tile_shape({fma, 16, 4096}, small).rows, 16u);
  EXPECT_LE(tile_shape({fma, 512, 128}, small).columns, 32u);  // many small tiles: few would leave the device idle
  EXPECT_EQ(tile_shape({fma, 2048, 4096, 1, 32}, small).rows, 32u);
  EXPECT_THROW(tile_shape({fma, 2048, 4096, 1, 48}, small), Error);
}

}  // namespace
}  // namespace sluice::kernels
