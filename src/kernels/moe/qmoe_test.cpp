#include "kernels/moe/qmoe.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/matmul/nbits_fixture.h"
#include "kernels/moe/qmoe_ref.h"

namespace sluice::kernels {
namespace {

struct Case {
  uint32_t tokens = 1, hidden = 32, inner = 32, experts = 4, k = 2, bits = 4, block_size = 0;
  MoeActivation activation = MoeActivation::kSwiglu;
  uint32_t fusion = 1;
  bool fc3 = false, bias = false, zero_points = false, router_weights = false, residual = false, normalize = false;
  float alpha = 1, beta = 0, limit = std::numeric_limits<float>::infinity();
  Storage storage = Storage::kF32, scales = Storage::kF32;
  QMoEVariant variant = QMoEVariant::kAuto;

  std::string text() const {
    return fmt::format(
        "T {} H {} I {} E {} k {} bits {} block {} act {} fusion {} fc3 {} bias {} zp {} rw {} residual {} norm {} {} "
        "{} variant {}",
        tokens, hidden, inner, experts, k, bits, block_size, static_cast<int>(activation), fusion, fc3, bias,
        zero_points, router_weights, residual, normalize, wgsl_type(storage), wgsl_type(scales),
        static_cast<int>(variant));
  }
};

QMoEHost::Expert random_expert(Random& random, const Case& c, uint32_t rows, uint32_t k) {
  QMoEHost::Expert e;
  const auto zero = c.zero_points && c.bits != 0 ? ZeroPoints::kPacked : ZeroPoints::kNone;
  e.weights = random_nbits(random, {c.experts, rows, k, c.bits, c.block_size, zero, c.scales});
  if (c.bias) e.bias = random_floats(random, size_t{c.experts} * rows, c.storage);
  return e;
}

QMoEHost random_host(Random& random, const Case& c) {
  QMoEHost h{c.tokens, c.hidden, c.inner, c.experts, {}, {}, {}, {}, {}, {}, {}};
  const size_t routes = size_t{c.tokens} * c.experts;
  h.input = random_floats(random, size_t{c.tokens} * c.hidden, c.storage, 3);
  h.router = random_floats(random, routes, c.storage, 2);
  if (c.router_weights) h.router_weights = random_floats(random, routes, c.storage);
  if (c.residual) h.residual = random_floats(random, h.input.size(), c.storage);
  h.fc1 = random_expert(random, c, (c.fusion != 0 ? 2 : 1) * c.inner, c.hidden);
  h.fc2 = random_expert(random, c, c.hidden, c.inner);
  if (c.fc3) h.fc3 = random_expert(random, c, c.inner, c.hidden);
  return h;
}

QMoEProblem::Expert upload_expert(Runner& runner, const Case& c, const QMoEHost::Expert& e) {
  const NBitsData& d = e.weights;
  QMoEProblem::Expert t;
  t.weights = upload_weights(runner, d, c.scales, false);
  if (c.bits != 0) t.scales = runner.upload(c.scales, {d.matrices, d.rows, d.blocks()}, d.scales);
  if (!d.zero_points.empty()) {
    const uint32_t run = c.block_size == 0 ? d.rows : d.blocks(), bytes = (run * d.bits + 7) / 8;
    const auto packed = pack_bits(d.zero_points, d.bits, run, bytes);
    t.zero_points = runner.upload_bytes({static_cast<uint32_t>(packed.size())}, packed);
  }
  if (!e.bias.empty()) t.bias = runner.upload(c.storage, {d.matrices, d.rows}, e.bias);
  return t;
}

QMoEProblem attributes(const Case& c) {
  QMoEProblem p;
  p.k = c.k;
  p.bits = c.bits;
  p.block_size = c.block_size;
  p.activation = c.activation;
  p.swiglu_fusion = c.fusion;
  p.activation_alpha = c.alpha;
  p.activation_beta = c.beta;
  p.swiglu_limit = c.limit;
  p.normalize_routing_weights = c.normalize;
  p.variant = c.variant;
  return p;
}

void check_host(gpu::Device& device, const Case& c, const QMoEHost& h, const gpu::Caps* caps = nullptr) {
  Runner runner(device);
  QMoEProblem p = attributes(c);
  p.input = runner.upload(c.storage, {c.tokens, c.hidden}, h.input);
  p.router = runner.upload(c.storage, {c.tokens, c.experts}, h.router);
  if (c.router_weights) p.router_weights = runner.upload(c.storage, {c.tokens, c.experts}, h.router_weights);
  if (c.residual) p.residual = runner.upload(c.storage, {c.tokens, c.hidden}, h.residual);
  p.fc1 = upload_expert(runner, c, h.fc1);
  p.fc2 = upload_expert(runner, c, h.fc2);
  if (c.fc3) p.fc3 = upload_expert(runner, c, h.fc3);
  p.y = runner.allocate(c.storage, {c.tokens, c.hidden});
  if (caps != nullptr) {
    // A plan for a smaller device, run on this one.
    Recorder small(*caps, 1u << 20);
    plan_qmoe(p, small);
    for (const Tensor& t : small.scratch_tensors()) {
      const Tensor own = runner.recorder().scratch(t.storage, t.shape);
      for (Dispatch& d : small.dispatches()) {
        for (Operand& o : d.operands) o.slot = o.slot == t.slot ? own.slot : o.slot;
      }
    }
    for (Dispatch& d : small.dispatches()) runner.recorder().add(d);
  } else {
    plan_qmoe(p, runner.recorder());
  }
  runner.run();
  expect_close(runner.read_floats(p.y), qmoe_reference(p, h), c.storage, c.text());
}

void check(Case c, uint32_t seed) {
  Random random(seed);
  const QMoEHost h = random_host(random, c);
  c.variant = QMoEVariant::kPrefill;  // uses no subgroups: one device will do
  check_host(test_device(), c, h);
  c.variant = QMoEVariant::kDecode;
  for (gpu::Device* device : test_devices()) {
    if (testing::Test::HasFatalFailure()) return;
    check_host(*device, c, h);
  }
}

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
        check(c, seed);
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
        check(c, ++seed);
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
        check(c, ++seed);
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
      check(c, ++seed);
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
        check(c, ++seed);
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
      check(c, ++seed);
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
        check(c, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(QMoE, TiesGoToTheLowerExpert) {
  Random random(700);
  Case c{12, 32, 32, 9, 4, 4, 0};
  QMoEHost h = random_host(random, c);
  for (size_t i = 0; i < h.router.size(); ++i) h.router[i] = i % 5 == 0 ? -0.0f : static_cast<float>(random() % 2);
  for (const auto variant : {QMoEVariant::kDecode, QMoEVariant::kPrefill}) {
    c.variant = variant;
    check_host(test_device(), c, h);
    if (HasFatalFailure()) return;
  }
}

TEST(QMoE, EveryTokenToOneExpert) {
  Random random(800);
  Case c{150, 32, 32, 8, 1, 4, 0};
  QMoEHost h = random_host(random, c);
  for (size_t i = 0; i < h.router.size(); ++i) h.router[i] = i % 8 == 5 ? 3.0f : 0.0f;
  check_host(test_device(), c, h);
}

TEST(QMoE, ChunksOfTokensWhenActivationsDoNotFit) {
  Random random(900);
  Case c{50, 64, 96, 6, 3, 4, 32};
  c.residual = true;
  const QMoEHost h = random_host(random, c);
  gpu::Caps caps = test_device().caps();
  caps.max_binding = 16 * 3 * 96 * 4;
  check_host(test_device(), c, h, &caps);
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
  expect_refused(p, "use_sparse_mixer");
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
