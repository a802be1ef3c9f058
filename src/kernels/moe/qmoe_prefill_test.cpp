// Many tokens on devices with subgroup matrices: against the reference where the device has them, and everywhere the
// texts of their shaders.
#include <gtest/gtest.h>

#include "kernels/matmul/tile_plan.h"
#include "kernels/moe/qmoe_fixture.h"

namespace sluice::kernels {
namespace {

using Case = test::QMoECase;

QMoEProblem problem(uint32_t tokens, Storage storage) {
  QMoEProblem p;
  p.input = {1, storage, {tokens, 256}};
  p.router = {2, storage, {tokens, 8}};
  p.fc1 = {{3, Storage::kBytes, {8, 512, 128}}, {4, storage, {8, 512, 8}}, {}, {}};
  p.fc2 = {{5, Storage::kBytes, {8, 256, 128}}, {6, storage, {8, 256, 8}}, {}, {}};
  p.y = {7, storage, {tokens, 256}};
  p.k = 2;
  p.block_size = 32;
  p.activation = MoeActivation::kSwiglu;
  p.swiglu_fusion = 1;
  return p;
}

// Dispatches whose tiles are multiplied by subgroup matrices; SLUICE_DUMP_WGSL keeps their texts for Tint.
uint32_t matrix_dispatches(const QMoEProblem& p) {
  const gpu::Caps caps = caps_with_matrices();
  Recorder recorder(caps);
  plan_qmoe(p, recorder);
  uint32_t count = 0;
  for (const Dispatch& d : recorder.dispatches()) {
    if (!shader::is_for_tint_only(shader::expand(d.shader, {}))) continue;
    shader::dump(d.shader);
    ++count;
  }
  return count;
}

TEST(QMoEPrefill, BothProductsTakeMatricesWhereTheModelIsInFloat16) {
  for (const uint32_t tokens : {16u, 100u, 2048u}) {
    EXPECT_EQ(matrix_dispatches(problem(tokens, Storage::kF16)), 2u) << tokens;
    EXPECT_EQ(matrix_dispatches(problem(tokens, Storage::kF32)), 0u) << tokens;
  }
  QMoEProblem other = problem(100, Storage::kF16);
  other.swiglu_fusion = 2;
  EXPECT_EQ(matrix_dispatches(other), 2u);
}

TEST(QMoEPrefill, SortsInWorkgroupsOfEverySize) {
  uint32_t seed = 0;
  for (const uint32_t tokens : {256u, 257u, 513u, 1100u}) {  // 256, 512, 1024 invocations, and several rounds of 1024
    Case c{tokens, 32, 32, 20, 8, 4, 32};
    c.variant = QMoEVariant::kPrefill;
    Random random(++seed);
    test::check_qmoe(test_device(), c, test::random_host(random, c));
    if (HasFatalFailure()) return;
  }
}

TEST(QMoEPrefill, Matrices) {
  if (!has_subgroup_matrices(test_device().caps())) GTEST_SKIP() << "the device has no subgroup matrices of f16";
  uint32_t seed = 0;
  for (const uint32_t tokens : {9u, 33u, 200u, 700u}) {
    for (const uint32_t fusion : {0u, 1u, 2u}) {
      Case c{tokens, 96, 128, 5, 2, 4, 32};
      c.fusion = fusion;
      c.fc3 = fusion == 0;
      c.bias = c.zero_points = true;
      c.storage = c.scales = Storage::kF16;
      c.variant = QMoEVariant::kPrefill;
      Random random(++seed);
      test::check_qmoe(test_device(), c, test::random_host(random, c));
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
