// The kernel of one row: numbers that are none, several products in one dispatch. matmul_nbits_test.cpp tests the rest
// of it.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "kernels/matmul/matmul_nbits.h"
#include "kernels/matmul/matmul_ref.h"
#include "kernels/matmul/nbits_fixture.h"

namespace sluice::kernels {
namespace {

// A number that is none must not become one on the way through bytes.
TEST(MatMulNBitsRow, NotANumberStays) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Random random(1);
    const NBitsData d = random_nbits(random, {1, 5, 64, 4, 32, ZeroPoints::kNone, Storage::kF32});
    auto a = random_floats(random, 64, Storage::kF32);
    a[40] = bad;
    Runner runner(test_device());
    MatMulNBitsProblem p;
    p.a = runner.upload(Storage::kF32, {1, 64}, a);
    p.b = upload_weights(runner, d, Storage::kF32, true);
    p.scales = runner.upload(Storage::kF32, {10}, d.scales);
    p.y = runner.allocate(Storage::kF32, {1, 5});
    p.n = 5;
    p.k = 64;
    p.accuracy_level = 4;
    plan_matmul_nbits(p, runner.recorder());
    runner.run();
    for (const float v : runner.read_floats(p.y)) EXPECT_FALSE(std::isfinite(v));
  }
}

struct JoinedCase {
  std::vector<uint32_t> n;
  uint32_t k = 64, bits = 4;
  ZeroPoints zero_points = ZeroPoints::kNone;
  bool bias = false, norm = false, gated = false;
  uint32_t accuracy_level = 0;
  Storage storage = Storage::kF32;
};

std::vector<float> gated_by(std::vector<float> gate, const std::vector<float>& up, float alpha) {
  for (size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-alpha * gate[i])) * up[i];
  return gate;
}

void check_joined(gpu::Device& device, const JoinedCase& c, uint32_t seed) {
  Random random(seed);
  Runner runner(device);
  auto a = random_floats(random, c.k, c.storage);
  const auto gamma = random_floats(random, c.k, c.storage);
  JoinedMatMulNBitsProblem joined{.products = {}, .gated = c.gated, .gate_alpha = 1.5f};
  MatMulNBitsProblem p{.a = runner.upload(c.storage, {1, c.k}, a)};
  if (c.norm) {
    p.norm_weight = runner.upload(c.storage, {c.k}, gamma);
    a = rms_normalised(a, gamma, p.norm_epsilon);
  }
  std::vector<NBitsData> data;
  std::vector<std::vector<float>> biases;
  for (const uint32_t n : c.n) {
    data.push_back(random_nbits(random, {1, n, c.k, c.bits, 32, c.zero_points, c.storage}));
    biases.push_back(random_floats(random, c.bias ? n : 0, c.storage));
    p.b = upload_weights(runner, data.back(), c.storage, true);
    p.scales = runner.upload(c.storage, {n * data.back().blocks()}, data.back().scales);
    p.zero_points = upload_zero_points(runner, data.back(), c.storage);
    if (c.bias) p.bias = runner.upload(c.storage, {n}, biases.back());
    p.y = runner.allocate(c.storage, {1, n});
    p.n = n;
    p.k = c.k;
    p.bits = c.bits;
    p.accuracy_level = c.accuracy_level;
    joined.products.push_back(p);
  }
  plan_joined_matmul_nbits(joined, runner.recorder());
  ASSERT_EQ(runner.recorder().dispatches().size(), 1u);
  runner.run();
  if (is_in_bytes(runner.recorder())) a = rounded_to_bytes(a, p.k, p.bits, p.block_size);
  std::vector<std::vector<float>> expected;
  for (size_t i = 0; i < data.size(); ++i) expected.push_back(matmul_nbits_reference(a, data[i], biases[i], {}));
  if (c.gated) expected = {gated_by(expected[0], expected[1], joined.gate_alpha)};
  for (size_t i = 0; i < expected.size(); ++i) {
    expect_close(runner.read_floats(joined.products[i].y), expected[i], c.storage,
                 fmt::format("seed {} product {}", seed, i));
  }
}

TEST(MatMulNBitsRow, Joined) {
  const std::vector<JoinedCase> cases = {
      {.n = {65, 3}, .norm = true},
      {.n = {33, 1, 20}, .k = 96, .bias = true},
      {.n = {1, 130}, .bits = 8, .zero_points = ZeroPoints::kPacked},
      {.n = {7, 300}, .zero_points = ZeroPoints::kFloat, .accuracy_level = 4},
      {.n = {128, 32}, .k = 1000, .norm = true, .accuracy_level = 4},
      {.n = {64, 64}, .norm = true, .gated = true},
      {.n = {33, 33}, .k = 100, .bias = true, .gated = true},
      {.n = {300, 300}, .k = 1024, .norm = true, .gated = true, .accuracy_level = 4},
      {.n = {1, 1}, .bits = 2, .gated = true, .accuracy_level = 4},
      {.n = {64, 16, 64, 8}, .k = 256, .norm = true, .accuracy_level = 4},
  };
  uint32_t seed = 7000;
  for (gpu::Device* device : test_devices()) {
    for (JoinedCase c : cases) {
      c.storage = float_storages()[seed % float_storages().size()];
      const size_t bindings = 2 + c.n.size() * (4 + (c.zero_points != ZeroPoints::kNone));
      if (bindings > device->caps().max_storage_buffers) continue;
      check_joined(*device, c, ++seed);
      if (HasFatalFailure()) return;
    }
  }
}

MatMulNBitsProblem valid_row() {
  MatMulNBitsProblem p;
  p.a = {1, Storage::kF32, {1, 64}};
  p.b = {2, Storage::kBytes, {5, 2, 16}};
  p.scales = {3, Storage::kF32, {10}};
  p.y = {4, Storage::kF32, {1, 5}};
  p.n = 5;
  p.k = 64;
  return p;
}

void expect_refused(const JoinedMatMulNBitsProblem& p, const gpu::Caps& caps, const std::string& part) {
  Recorder recorder(caps);
  try {
    plan_joined_matmul_nbits(p, recorder);
    FAIL() << "accepted; expected a refusal with: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(MatMulNBitsRow, Refusals) {
  gpu::Caps caps = test_device().caps();
  caps.max_storage_buffers = 8;
  const auto row = valid_row();
  expect_refused({}, caps, "1 to 4 products");
  auto other = row;
  other.a.shape = {2, 64};
  other.y.shape = {2, 5};
  expect_refused({.products = {other, other}}, caps, "must share one row");
  other = row;
  other.a.slot = 9;
  expect_refused({.products = {row, other}}, caps, "must share one row");
  other = row;
  other.bias = {9, Storage::kF32, {5}};
  expect_refused({.products = {row, other}}, caps, "one kind of weights");
  other = row;
  other.residual = {9, Storage::kF32, {1, 5}};
  expect_refused({.products = {row, other}}, caps, "take no residual");
  expect_refused({.products = {row, row, row}}, caps, "need 10 bindings, more than the device's limit of 8");
  expect_refused({.products = {row}, .gated = true}, caps, "two products of one N");
  Recorder recorder(caps);
  EXPECT_NO_THROW(plan_joined_matmul_nbits({.products = {row, row}}, recorder));
}

}  // namespace
}  // namespace sluice::kernels
