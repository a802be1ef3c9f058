#include "kernels/moe/qmoe.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/moe/qmoe_fixture.h"

namespace sluice::kernels {
namespace {

using Case = test::QMoECase;
using test::check_qmoe;
using test::random_host;

TEST(QMoE, BitsAndBlocks) {
  uint32_t seed = 0;
  for (const uint32_t bits : {0u, 2u, 4u, 8u}) {
    for (const uint32_t block : {0u, 16u, 32u, 64u, 128u}) {
      if (bits == 0 && block != 0) continue;
      for (const bool zero : {false, true}) {
        if (zero && bits == 0) continue;
        Case c{3, 128, 256, 5, 2, bits, block};
        c.zero_points = zero;
        c.bias = ++seed % 2 == 0;
        check_qmoe(c, seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(QMoE, Activations) {
  uint32_t seed = 100;
  for (const auto activation : {MoeActivation::kRelu, MoeActivation::kGelu, MoeActivation::kSilu,
                                MoeActivation::kIdentity, MoeActivation::kSwiglu}) {
    for (const uint32_t fusion : {0u, 1u, 2u}) {
      for (const bool fc3 : {false, true}) {
        const bool swiglu = activation == MoeActivation::kSwiglu;
        if (fusion != 0 && (fc3 || !swiglu)) continue;
        if (swiglu && fusion == 0 && !fc3) continue;
        Case c{5, 64, 96, 6, 3, 4, 32, activation, fusion, fc3, true, true};
        c.alpha = 1.702f;
        c.beta = 1;
        c.limit = 1.5f;
        check_qmoe(c, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(QMoE, RoutingWeights) {
  uint32_t seed = 200;
  for (const uint32_t bits : {0u, 4u}) {
    for (const bool given : {false, true}) {
      for (const bool normalize : {false, true}) {
        Case c{4, 32, 48, 7, 3, bits, 0};
        c.router_weights = given;
        c.normalize = normalize;
        c.residual = given;
        check_qmoe(c, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(QMoE, ExpertCounts) {
  uint32_t seed = 300;
  for (const uint32_t experts : {1u, 2u, 31u, 33u, 100u, 128u, 129u, 300u, 512u}) {
    for (const uint32_t k : {1u, 2u, 8u, experts}) {
      if (k > experts || (k > 40 && experts > 130)) continue;
      Case c{2, 16, 18, experts, k, 4, 0};
      c.bias = true;
      check_qmoe(c, ++seed);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(QMoE, OddSizes) {
  uint32_t seed = 400;
  for (const uint32_t bits : {0u, 2u, 4u, 8u}) {
    for (const uint32_t hidden : {4u, 20u, 36u, 132u}) {
      for (const uint32_t inner : {4u, 33u, 65u}) {
        Case c{3, hidden, inner, 3, 2, bits, 0, MoeActivation::kSwiglu, 1 + seed % 2};
        c.zero_points = seed % 3 == 0;
        check_qmoe(c, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(QMoE, TokenCounts) {
  uint32_t seed = 500;
  for (const uint32_t tokens : {1u, 8u, 9u, 31u, 32u, 33u, 65u, 200u}) {
    for (const uint32_t experts : {2u, 40u}) {
      Case c{tokens, 64, 32, experts, 2, 4, 32};
      c.zero_points = true;
      check_qmoe(c, ++seed);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(QMoE, Storages) {
  uint32_t seed = 600;
  for (const Storage storage : float_storages()) {
    for (const Storage scales : float_storages()) {
      for (const uint32_t bits : {0u, 4u}) {
        Case c{3, 64, 64, 4, 2, bits, bits == 0 ? 0u : 32u};
        c.bias = c.residual = c.router_weights = true;
        c.storage = storage;
        c.scales = scales;
        check_qmoe(c, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

void check_both(Case c, const QMoEHost& h) {
  for (const auto variant : {QMoEVariant::kDecode, QMoEVariant::kPrefill}) {
    c.variant = variant;
    check_qmoe(test_device(), c, h);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(QMoE, Ties) {
  Random random(700);
  for (const uint32_t k : {2u, 4u}) {
    Case c{12, 32, 32, 9, k, 4, 0};
    c.sparse = k == 2;
    QMoEHost h = random_host(random, c);
    for (size_t i = 0; i < h.router.size(); ++i) h.router[i] = i % 5 == 0 ? -0.0f : static_cast<float>(random() % 2);
    check_both(c, h);
    if (HasFatalFailure()) return;
  }
}

// The reference's choice among equal logits, spelled out: identity experts whose only contribution is a bias.
TEST(QMoE, EqualLogitsGoToTheHigherExpert) {
  Case c{1, 16, 16, 4, 1, 4, 0, MoeActivation::kIdentity, 0};
  c.bias = true;
  Random random(710);
  QMoEHost h = random_host(random, c);
  std::fill(h.fc2.weights.scales.begin(), h.fc2.weights.scales.end(), 0.0f);
  for (size_t i = 0; i < h.fc2.bias.size(); ++i) {
    const size_t expert = i / c.hidden;
    h.fc2.bias[i] = static_cast<float>(expert);
  }
  h.router = {5, 7, 7, 5};
  QMoEProblem p = test::attributes(c);
  EXPECT_EQ(qmoe_reference(p, h)[0], 2);
  check_both(c, h);
  c.k = p.k = 2;
  c.sparse = p.use_sparse_mixer = true;
  // Both weights are 1/2 and 1 by definition: the first expert's mass is shared by the two near it, the second stands
  // alone.
  EXPECT_FLOAT_EQ(qmoe_reference(p, h)[0], 0.5f * 1 + 1.0f * 2);
  check_both(c, h);
}

TEST(QMoE, SparseMixer) {
  uint32_t seed = 720;
  for (const uint32_t bits : {0u, 4u}) {
    for (const uint32_t experts : {2u, 3u, 8u, 16u, 40u}) {
      Case c{9, 32, 32, experts, 2, bits, 0};
      c.sparse = true;
      c.normalize = seed % 2 == 0;
      check_qmoe(c, ++seed);
      if (HasFatalFailure()) return;
    }
  }
  // Logits within the threshold of the largest, above and below zero.
  Random random(730);
  Case c{3, 32, 32, 6, 2, 4, 0};
  c.sparse = true;
  QMoEHost h = random_host(random, c);
  h.router = {10, 9.9f, 9.85f, 9.7f, 0, -10, -10, -10.1f, -10.15f, -10.3f, -11, -12, 0, -0.0f, 0, 1e-3f, -1, 0};
  check_both(c, h);
}

TEST(QMoE, LogitsThatAreNoNumbers) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  Random random(740);
  for (const uint32_t bits : {0u, 4u}) {
    for (const bool normalize : {false, true}) {
      for (const bool sparse : {false, true}) {
        Case c{7, 32, 32, 4, 2, bits, 0};
        c.normalize = normalize;
        c.sparse = sparse;
        QMoEHost h = random_host(random, c);
        h.router = {nan,  1,    2,    3, 1, nan,  nan,  0,    inf, 1, 2,    inf,  -inf, -inf,
                    -inf, -inf, -inf, 2, 1, -inf, -nan, -inf, inf, 0, -inf, -inf, 3,    -inf};
        check_both(c, h);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Weights that are not above zero drop their expert; so does a NaN.
TEST(QMoE, RouterWeightsThatCountAsZero) {
  Random random(750);
  for (const bool normalize : {false, true}) {
    Case c{4, 32, 32, 4, 3, 4, 0};
    c.router_weights = true;
    c.normalize = normalize;
    QMoEHost h = random_host(random, c);
    h.router_weights = {-1, -1, -1, -1, 0, 0, 0, 0, 0.5f, -0.25f, 0.125f, 1e-9f, 1, std::nanf(""), 1, 1};
    check_both(c, h);
    if (HasFatalFailure()) return;
  }
}

TEST(QMoE, SigmoidRouter) {
  uint32_t seed = 760;
  for (const Storage storage : float_storages()) {
    for (const uint32_t experts : {2u, 33u, 128u}) {
      for (const bool bias : {false, true}) {
        Case c{5, 32, 32, experts, std::min(experts, 8u), 4, 0};
        c.sigmoid = true;
        c.choice_bias = bias;
        c.storage = storage;
        c.residual = !bias;
        c.scale = bias ? 2.826f : 1;
        c.epsilon = bias ? 1e-6f : 0.25f;
        c.least = experts == 33 ? 0.4f : 1e-30f;
        check_qmoe(c, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Equal scores go to the lower expert; a NaN among the logits gives zeros, infinite logits are scores of 0 and 1.
TEST(QMoE, SigmoidRouterOfRareLogits) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  Random random(790);
  Case c{6, 32, 32, 4, 2, 4, 0};
  c.sigmoid = c.choice_bias = true;
  QMoEHost h = random_host(random, c);
  h.choice_bias = {0, 0, 0, 0.25f};
  h.router = {1,    1,    1,    -90,  nan, 1,   2,   3, inf,  -inf, 1,    2,
              -200, -201, -202, -203, 200, 300, 400, 0, -inf, 2,    -inf, -inf};
  check_both(c, h);
  c.choice_bias = false;
  h.choice_bias.clear();
  check_both(c, h);
}

TEST(QMoE, EveryTokenToOneExpert) {
  Random random(800);
  Case c{150, 32, 32, 8, 1, 4, 0};
  QMoEHost h = random_host(random, c);
  for (size_t i = 0; i < h.router.size(); ++i) h.router[i] = i % 8 == 5 ? 3.0f : 0.0f;
  check_qmoe(test_device(), c, h);
}

TEST(QMoE, ChunksOfTokensWhenActivationsDoNotFit) {
  Random random(900);
  Case c{50, 64, 96, 6, 3, 4, 32};
  c.residual = true;
  const QMoEHost h = random_host(random, c);
  gpu::Caps caps = test_device().caps();
  caps.max_binding = 16 * 3 * 96 * 4;
  check_qmoe(test_device(), c, h, &caps);
}

QMoEProblem valid_problem() {
  QMoEProblem p;
  p.input = {1, Storage::kF32, {2, 3, 64}};
  p.router = {2, Storage::kF32, {6, 8}};
  p.fc1 = {{3, Storage::kBytes, {8, 192, 32}}, {4, Storage::kF32, {8, 192}}, {}, {}};
  p.fc2 = {{5, Storage::kBytes, {8, 64, 48}}, {6, Storage::kF32, {8, 64}}, {}, {}};
  p.y = {7, Storage::kF32, {2, 3, 64}};
  p.k = 2;
  p.activation = MoeActivation::kSwiglu;
  p.swiglu_fusion = 1;
  return p;
}

void expect_refused(const QMoEProblem& p, const std::string& part) {
  Recorder recorder(test_device().caps());
  try {
    plan_qmoe(p, recorder);
    FAIL() << "accepted; expected a refusal with: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(QMoE, Refusals) {
  auto p = valid_problem();
  p.use_sparse_mixer = true;
  p.k = 3;
  expect_refused(p, "use_sparse_mixer needs k = 2, got 3");
  p = valid_problem();
  p.use_sparse_mixer = true;
  p.router_weights = p.router;
  expect_refused(p, "use_sparse_mixer excludes router_weights");
  p = valid_problem();
  p.sigmoid.used = true;
  p.router_weights = p.router;
  expect_refused(p, "a sigmoid router excludes router_weights");
  p = valid_problem();
  p.sigmoid = {true, Storage::kF32, {9, Storage::kF32, {7}}};
  expect_refused(p, "the selection bias must hold 8 elements, got 7");
  p.sigmoid.bias = {9, Storage::kF16, {8}};
  expect_refused(p, "the selection bias must be f32 as the scores, got f16");
  p.sigmoid = {true, Storage::kI32};
  expect_refused(p, "scores are f32 or f16, got i32");
  p.sigmoid = {true, Storage::kF32, {}, -1};
  expect_refused(p, "must not be negative, got -1 and 0");
  p = valid_problem();
  p.scale = std::numeric_limits<float>::infinity();
  expect_refused(p, "the scale of the output must be finite");
  p = valid_problem();
  p.swiglu_limit = -1;
  expect_refused(p, "swiglu_limit must not be negative or NaN, got -1");
  p.swiglu_limit = std::nanf("");
  expect_refused(p, "swiglu_limit must not be negative or NaN, got nan");
  p = valid_problem();
  p.bits = 3;
  expect_refused(p, "expert_weight_bits");
  p = valid_problem();
  p.block_size = 24;
  expect_refused(p, "block_size must be");
  p = valid_problem();
  p.block_size = 128;
  expect_refused(p, "must divide the row length 64 of fc1");
  p = valid_problem();
  p.k = 9;
  expect_refused(p, "k must be 1 to");
  p = valid_problem();
  p.fc2.weights.shape = {8, 64, 47};
  expect_refused(p, "fc2_experts_weights must hold");
  p = valid_problem();
  p.fc1.scales = {};
  expect_refused(p, "fc1_scales is missing");
  p = valid_problem();
  p.swiglu_fusion = 0;
  expect_refused(p, "needs fc3");
  p = valid_problem();
  p.activation = MoeActivation::kSilu;
  expect_refused(p, "needs the activation swiglu");
  p = valid_problem();
  p.fc2.zero_points = {9, Storage::kBytes, {8, 64}};
  expect_refused(p, "fc2_zero_points must hold 256");
  p = valid_problem();
  p.router.shape = {5, 8};
  expect_refused(p, "router_probs must hold 48");
  p = valid_problem();
  p.residual = p.y;
  expect_refused(p, "must not share");
}

TEST(QMoE, NormOnTheWay) {
  uint32_t seed = 7000;
  for (gpu::Device* device : test_devices()) {
    for (const uint32_t hidden : {32u, 96u, 100u}) {
      for (const bool fc3 : {false, true}) {
        Case c{1, hidden, 64, 6, 3, hidden == 100 ? 8u : 4u, hidden == 100 ? 0u : 32u};
        c.norm_input = c.bias = true;
        c.fc3 = fc3;
        c.fusion = fc3 ? 0 : 1;
        c.variant = QMoEVariant::kDecode;
        Random random(++seed);
        check_qmoe(*device, c, random_host(random, c));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(QMoE, DecodeTakesTwoDispatches) {
  Recorder recorder(test_device().caps());
  plan_qmoe(valid_problem(), recorder);
  EXPECT_EQ(recorder.dispatches().size(), 2u);
  for (const Dispatch& d : recorder.dispatches()) EXPECT_LE(d.operands.size(), 8u);
}

TEST(QMoE, EmptyRecordsNothing) {
  auto p = valid_problem();
  p.input.shape = p.y.shape = {0, 64};
  p.router.shape = {0, 8};
  Recorder recorder(test_device().caps());
  plan_qmoe(p, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
}

}  // namespace
}  // namespace sluice::kernels
