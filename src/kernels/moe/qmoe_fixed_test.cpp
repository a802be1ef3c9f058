// QMoE with products of integers: where the planner takes them, and their edges.
#include "kernels/common/matrices_fixture.h"
#include "kernels/moe/qmoe_fixture.h"

namespace sluice::kernels {
namespace {

using Case = test::QMoECase;
using test::random_host;

bool device_has_them() { return test_device().caps().f16 && test_device().caps().dot4i8; }

Case half_case(uint32_t tokens, uint32_t hidden, uint32_t inner, uint32_t bits = 4, uint32_t block_size = 32) {
  Case c{tokens, hidden, inner, 5, 3, bits, block_size};
  c.storage = c.scales = Storage::kF16;
  c.variant = QMoEVariant::kDecode;
  return c;
}

void check_everywhere(const Case& c, uint32_t seed) {
  Random random(seed);
  const QMoEHost h = random_host(random, c);
  for (gpu::Device* device : test_devices()) {
    check_qmoe(*device, c, h);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(QMoEFixed, BitsBlocksAndZeroPoints) {
  if (!device_has_them()) GTEST_SKIP();
  uint32_t seed = 0;
  for (const auto& [bits, block] : {std::pair(4u, 0u), {4u, 32u}, {4u, 128u}, {8u, 0u}, {8u, 16u}}) {
    for (const bool zero : {false, true}) {
      Case c = half_case(2, 128, 256, bits, block);
      c.zero_points = zero;
      c.bias = c.residual = zero;
      check_everywhere(c, ++seed);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(QMoEFixed, ActivationsAndRouters) {
  if (!device_has_them()) GTEST_SKIP();
  Case c = half_case(3, 64, 96);
  c.fusion = 2;
  c.limit = 0.75f;
  c.bias = true;
  check_everywhere(c, 20);
  c = half_case(3, 96, 64);
  c.activation = MoeActivation::kSilu;
  c.fusion = 0;
  c.router_weights = c.normalize = c.bias = true;
  check_everywhere(c, 21);
  c = half_case(1, 96, 32);
  c.norm_input = c.sigmoid = c.choice_bias = true;
  c.scale = 2.826f;
  check_everywhere(c, 22);
}

// More units than a team loads at once, of fc1's rows and of fc2's.
TEST(QMoEFixed, LongRows) {
  if (!device_has_them()) GTEST_SKIP();
  check_everywhere(half_case(1, 3104, 32), 30);
  check_everywhere(half_case(1, 32, 4128), 31);
}

// Activations of very different magnitudes: what is lost is small beside the largest of their unit.
TEST(QMoEFixed, Outliers) {
  if (!device_has_them()) GTEST_SKIP();
  const Case c = half_case(2, 64, 32);
  Random random(40);
  QMoEHost h = random_host(random, c);
  h.input[5] = 40;
  h.input[40] = -6e-8f;
  for (size_t i = 64; i < 128; ++i) h.input[i] = 0;
  check_qmoe(test_device(), c, h);
}

TEST(QMoEFixed, NumbersThatAreNoneStayInTheirRow) {
  if (!device_has_them()) GTEST_SKIP();
  const Case c = half_case(3, 64, 32);
  Random random(50);
  QMoEHost h = random_host(random, c);
  h.input[1] = std::nanf("");
  h.input[64 + 3] = std::numeric_limits<float>::infinity();
  Runner runner(test_device());
  QMoEProblem p = test::attributes(c);
  p.input = runner.upload(c.storage, {3, 64}, h.input);
  p.router = runner.upload(c.storage, {3, 5}, h.router);
  p.fc1 = test::upload_expert(runner, c, h.fc1);
  p.fc2 = test::upload_expert(runner, c, h.fc2);
  p.y = runner.allocate(c.storage, {3, 64});
  plan_qmoe(p, runner.recorder());
  runner.run();
  const std::vector<float> y = runner.read_floats(p.y);
  for (uint32_t i = 0; i < 64; ++i) {
    EXPECT_TRUE(std::isnan(y[i])) << i;
    EXPECT_TRUE(std::isnan(y[64 + i])) << i;
    EXPECT_TRUE(std::isfinite(y[128 + i])) << i;
  }
}

std::string first_kernel(const gpu::Caps& caps, Storage storage, uint32_t hidden = 2880, uint32_t tokens = 1) {
  QMoEProblem p;
  p.input = {1, storage, {tokens, hidden}};
  p.router = {2, storage, {tokens, 8}};
  p.fc1 = {{3, Storage::kBytes, {8, 512, hidden / 2}}, {4, storage, {8, 512, hidden / 32}}, {}, {}};
  p.fc2 = {{5, Storage::kBytes, {8, hidden, 128}}, {6, storage, {8, hidden, 8}}, {}, {}};
  p.y = {7, storage, {tokens, hidden}};
  p.k = 2;
  p.block_size = 32;
  p.activation = MoeActivation::kSwiglu;
  p.swiglu_fusion = 1;
  Recorder recorder(caps);
  plan_qmoe(p, recorder);
  return recorder.dispatches()[0].name;
}

TEST(QMoEFixed, IsTakenWhereItIsExactEnoughAndFits) {
  gpu::Caps caps;
  caps.f16 = caps.dot4i8 = caps.subgroups = true;
  caps.subgroup_min = caps.subgroup_max = 32;
  EXPECT_EQ(first_kernel(caps, Storage::kF16), "qmoe/fixed_fc1");
  EXPECT_EQ(first_kernel(caps, Storage::kF32), "qmoe/decode_fc1");
  EXPECT_EQ(first_kernel(caps, Storage::kF16, 8192), "qmoe/decode_fc1");  // beyond workgroup memory
  caps.max_workgroup_storage = 32768;
  EXPECT_EQ(first_kernel(caps, Storage::kF16, 8192), "qmoe/fixed_fc1");
  caps.dot4i8 = false;
  EXPECT_EQ(first_kernel(caps, Storage::kF16), "qmoe/decode_fc1");
}

// Of 8 experts and 2 a token: 16 rows an expert are 64 tokens, 6 with subgroup matrices are 24.
TEST(QMoEFixed, IsTakenForAsManyTokensAsItIsFasterFor) {
  gpu::Caps caps;
  caps.f16 = caps.dot4i8 = caps.subgroups = true;
  caps.subgroup_min = caps.subgroup_max = 32;
  EXPECT_EQ(first_kernel(caps, Storage::kF16, 2880, 64), "qmoe/fixed_fc1");
  EXPECT_EQ(first_kernel(caps, Storage::kF16, 2880, 65), "qmoe/route");
  caps = caps_with_matrices();
  caps.dot4i8 = true;
  EXPECT_EQ(first_kernel(caps, Storage::kF16, 2880, 24), "qmoe/fixed_fc1");
  EXPECT_EQ(first_kernel(caps, Storage::kF16, 2880, 25), "qmoe/route");
}

}  // namespace
}  // namespace sluice::kernels
