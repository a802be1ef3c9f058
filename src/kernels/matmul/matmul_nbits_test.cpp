#include "kernels/matmul/matmul_nbits.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/matmul/matmul_ref.h"
#include "kernels/matmul/nbits_fixture.h"

namespace sluice::kernels {
namespace {

struct Case {
  uint32_t m = 1, n = 1, k = 16, bits = 4, block_size = 32;
  ZeroPoints zero_points = ZeroPoints::kNone;
  bool bias = false, residual = false;
  Storage x = Storage::kF32, scales = Storage::kF32;
  MatMulNBitsVariant variant = MatMulNBitsVariant::kAuto;
  bool norm = false;
  uint32_t accuracy_level = 0;

  std::string text() const {
    return fmt::format(
        "m {} n {} k {} bits {} block {} zp {} bias {} residual {} x {} scales {} variant {} norm {} level {}", m, n, k,
        bits, block_size, static_cast<int>(zero_points), bias, residual, wgsl_type(x), wgsl_type(scales),
        static_cast<int>(variant), norm, accuracy_level);
  }
};

void check(gpu::Device& device, const Case& c, uint32_t seed) {
  Random random(seed);
  const NBitsData d = random_nbits(random, {1, c.n, c.k, c.bits, c.block_size, c.zero_points, c.scales});
  auto a = random_floats(random, size_t{c.m} * c.k, c.x);
  const auto bias = random_floats(random, c.bias ? c.n : 0, c.scales);
  const auto residual = random_floats(random, c.residual ? size_t{c.m} * c.n : 0, c.x);
  Runner runner(device);
  MatMulNBitsProblem p;
  p.a = runner.upload(c.x, {c.m, c.k}, a);
  p.b = upload_weights(runner, d, c.scales, true);
  p.scales = runner.upload(c.scales, {c.n * d.blocks()}, d.scales);
  p.zero_points = upload_zero_points(runner, d, c.scales);
  if (c.bias) p.bias = runner.upload(c.scales, {c.n}, bias);
  if (c.residual) p.residual = runner.upload(c.x, {c.m, c.n}, residual);
  p.y = runner.allocate(c.x, {c.m, c.n});
  p.n = c.n;
  p.k = c.k;
  p.bits = c.bits;
  p.block_size = c.block_size;
  p.variant = c.variant;
  p.accuracy_level = c.accuracy_level;
  if (c.norm) {
    const auto gamma = random_floats(random, c.k, c.x);
    p.norm_weight = runner.upload(c.x, {c.k}, gamma);
    p.norm_epsilon = 0.01f;
    a = rms_normalised(a, gamma, p.norm_epsilon);
  }
  plan_matmul_nbits(p, runner.recorder());
  runner.run();
  const bool bytes = is_in_bytes(runner.recorder());
  if (bytes) a = rounded_to_bytes(a, p.k, p.bits, p.block_size);
  const bool dots = runner.recorder().dispatches().back().name == "matmul_nbits/gemm_dots";
  if (dots) a = quantised_to_8_bits(a, c.k, 32);
  const float tolerance = bytes || dots ? 1e-3f : 0;  // a value that lies between two integers may become either
  expect_close(runner.read_floats(p.y), matmul_nbits_reference(a, d, bias, residual), c.x, c.text(), tolerance);
}

void check_everywhere(const Case& c, uint32_t seed) {
  for (gpu::Device* device : test_devices()) {
    const bool uses_subgroups = c.m <= 8 && c.variant != MatMulNBitsVariant::kGemm;
    if (device == &test_device() || uses_subgroups) check(*device, c, seed);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(MatMulNBits, BitsBlocksAndZeroPoints) {
  uint32_t seed = 0;
  for (const uint32_t bits : {2u, 4u, 8u}) {
    for (const uint32_t block : {16u, 32u, 64u, 128u, 256u}) {
      for (const auto zero : {ZeroPoints::kNone, ZeroPoints::kPacked, ZeroPoints::kFloat}) {
        for (const uint32_t m : {1u, 9u}) {
          check_everywhere({m, 37, 272, bits, block, zero, block == 32, block == 64}, ++seed);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(MatMulNBits, OddSizes) {
  uint32_t seed = 1000;
  for (const uint32_t k : {1u, 3u, 16u, 31u, 33u, 100u, 516u}) {
    for (const uint32_t n : {1u, 2u, 31u, 33u, 65u}) {
      for (const uint32_t m : {1u, 3u, 8u, 33u, 65u}) {
        const uint32_t bits = 2u << (++seed % 3);
        check_everywhere({m, n, k, bits, 32, seed % 2 ? ZeroPoints::kPacked : ZeroPoints::kNone, true, true}, seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(MatMulNBits, Storages) {
  uint32_t seed = 2000;
  for (const Storage x : float_storages()) {
    for (const Storage scales : float_storages()) {
      for (const uint32_t m : {1u, 2u, 5u, 40u}) {
        check_everywhere({m, 50, 160, 4, 32, ZeroPoints::kFloat, true, true, x, scales}, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(MatMulNBits, ForcedVariants) {
  for (uint32_t m = 1; m <= 8; ++m) {
    for (const auto variant : {MatMulNBitsVariant::kGemv, MatMulNBitsVariant::kGemm}) {
      Case c{m, 45, 96, 4, 32, ZeroPoints::kPacked, true, false};
      c.variant = variant;
      check_everywhere(c, 3000 + m);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(MatMulNBits, NormOnTheWay) {
  uint32_t seed = 5000;
  for (const uint32_t k : {1u, 33u, 64u, 100u, 2880u}) {
    for (const Storage x : float_storages()) {
      Case c{1, 45, k, k == 33 ? 8u : 4u, 32, ZeroPoints::kNone, true, true, x, x};
      c.norm = true;
      check_everywhere(c, ++seed);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(MatMulNBits, RowInBytes) {
  uint32_t seed = 6000;
  for (const uint32_t bits : {2u, 4u, 8u}) {
    for (const uint32_t block : {16u, 32u, 128u}) {
      for (const uint32_t k : {1u, 31u, 272u, 2880u}) {
        const Storage storage = float_storages()[seed % float_storages().size()];
        Case c{1, 37, k, bits, block, ZeroPoints::kNone, seed % 2 == 0, seed % 3 == 0, storage, storage};
        c.accuracy_level = 4;
        c.norm = seed % 4 == 0;
        check_everywhere(c, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(MatMulNBits, FewRowsInBytes) {
  uint32_t seed = 6500;
  for (const uint32_t m : {2u, 3u, 5u, 8u}) {
    for (const uint32_t k : {31u, 256u, 1024u}) {
      const Storage storage = float_storages()[seed % float_storages().size()];
      Case c{m, 45, k, k == 256 ? 8u : 4u, 32, ZeroPoints::kNone, seed % 2 == 0, seed % 3 == 0, storage, storage};
      c.accuracy_level = 4;
      check_everywhere(c, ++seed);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(MatMulNBits, LongMatrix) {
  for (const uint32_t level : {0u, 4u}) {
    Case c{1, 66000, 64, 4, 32, ZeroPoints::kNone, true};
    c.accuracy_level = level;
    check_everywhere(c, 4500 + level);
  }
}

TEST(MatMulNBits, LargeRow) { check_everywhere({2, 130, 4096, 4, 32}, 4000); }

// What the shaders depend on. Compiling them takes most of the time, so that cases share kinds.
Case draw_kind(Random random) {
  Case c;
  c.m = 1 + random() % 9;
  c.bits = 2u << random() % 3;
  c.block_size = 16u << random() % 5;
  c.zero_points = static_cast<ZeroPoints>(random() % 3);
  c.bias = random() % 2 == 0;
  c.residual = random() % 2 == 0;
  c.accuracy_level = random() % 2 == 0 ? 4 : 0;
  const std::vector<Storage> storages = float_storages();
  c.x = storages[random() % storages.size()];
  c.scales = storages[random() % storages.size()];
  if (c.m <= 8 && random() % 3 == 0) c.variant = MatMulNBitsVariant::kGemm;
  return c;
}

void draw_sizes(Random& random, Case& c) {
  const bool gemm = c.m > 8 || c.variant == MatMulNBitsVariant::kGemm;
  if (gemm) c.m = 1 + random() % 90;
  if (c.m > 8) c.variant = MatMulNBitsVariant::kAuto;
  c.n = 1 + random() % 140;
  c.k = 1 + random() % (random() % 4 == 0 ? 900 : 140);
}

TEST(MatMulNBitsRandom, AgainstTheReference) {
  FreshDevices devices;
  const uint32_t count = random_case_count(100);
  for (uint32_t seed = 0; seed < count; ++seed) {
    Random random(seed);
    Case c = draw_kind(Random(seed % std::max(10u, count / 10)));
    draw_sizes(random, c);
    SCOPED_TRACE(fmt::format("seed {}", seed));
    check(devices.pick(random), c, seed);
    if (HasFatalFailure()) return;
  }
}

MatMulNBitsProblem valid_problem() {
  MatMulNBitsProblem p;
  p.a = {1, Storage::kF32, {2, 64}};
  p.b = {2, Storage::kBytes, {5, 2, 16}};
  p.scales = {3, Storage::kF32, {10}};
  p.y = {4, Storage::kF32, {2, 5}};
  p.n = 5;
  p.k = 64;
  return p;
}

void expect_refused(const MatMulNBitsProblem& p, const std::string& part) {
  Recorder recorder(test_device().caps());
  try {
    plan_matmul_nbits(p, recorder);
    FAIL() << "accepted; expected a refusal with: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(MatMulNBits, Refusals) {
  Recorder recorder(test_device().caps());
  EXPECT_NO_THROW(plan_matmul_nbits(valid_problem(), recorder));
  EXPECT_EQ(recorder.dispatches().size(), 1u);
  auto p = valid_problem();
  p.bits = 3;
  expect_refused(p, "bits must be");
  p = valid_problem();
  p.block_size = 24;
  expect_refused(p, "block_size must be");
  p = valid_problem();
  p.b.shape = {5, 2, 15};
  expect_refused(p, "B must hold 160 bytes");
  p = valid_problem();
  p.scales.shape = {9};
  expect_refused(p, "scales must hold 10");
  p = valid_problem();
  p.zero_points = {6, Storage::kBytes, {11}};
  expect_refused(p, "zero_points must hold 5");
  p = valid_problem();
  p.residual = p.y;
  expect_refused(p, "must not share");
  p = valid_problem();
  p.y.shape = {3, 5};
  expect_refused(p, "Y must have 2 rows");
  p = valid_problem();
  p.a.shape = {9, 64};
  p.y.shape = {9, 5};
  p.variant = MatMulNBitsVariant::kGemv;
  expect_refused(p, "up to 8 rows");
  p = valid_problem();
  p.norm_weight = {7, Storage::kF32, {64}};
  expect_refused(p, "the norm needs one row");
}

TEST(MatMulNBits, EmptyRecordsNothing) {
  auto p = valid_problem();
  p.a.shape = {0, 64};
  p.y.shape = {0, 5};
  Recorder recorder(test_device().caps());
  plan_matmul_nbits(p, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
}

}  // namespace
}  // namespace sluice::kernels
