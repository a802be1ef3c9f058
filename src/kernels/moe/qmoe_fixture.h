// What the tests of QMoE share: a case, its random data, its run on devices and comparison with the reference.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/matmul/nbits_fixture.h"
#include "kernels/moe/qmoe.h"
#include "kernels/moe/qmoe_ref.h"

namespace sluice::kernels::test {

struct QMoECase {
  uint32_t tokens = 1, hidden = 32, inner = 32, experts = 4, k = 2, bits = 4, block_size = 0;
  MoeActivation activation = MoeActivation::kSwiglu;
  uint32_t fusion = 1;
  bool fc3 = false, bias = false, zero_points = false, router_weights = false, residual = false, normalize = false;
  bool sparse = false, norm_input = false;
  bool sigmoid = false, choice_bias = false;
  float scale = 1, least = 0, epsilon = 0;
  float alpha = 1, beta = 0, limit = std::numeric_limits<float>::infinity();
  Storage storage = Storage::kF32, scales = Storage::kF32;
  QMoEVariant variant = QMoEVariant::kAuto;

  std::string text() const {
    return fmt::format(
        "T {} H {} I {} E {} k {} bits {} block {} act {} fusion {} fc3 {} bias {} zp {} rw {} residual {} norm {} "
        "sparse {} norm input {} sigmoid {} choice bias {} scale {} least {} epsilon {} {} {} variant {}",
        tokens, hidden, inner, experts, k, bits, block_size, static_cast<int>(activation), fusion, fc3, bias,
        zero_points, router_weights, residual, normalize, sparse, norm_input, sigmoid, choice_bias, scale, least,
        epsilon, wgsl_type(storage), wgsl_type(scales), static_cast<int>(variant));
  }
};

inline QMoEHost::Expert random_expert(Random& random, const QMoECase& c, uint32_t rows, uint32_t k) {
  QMoEHost::Expert e;
  const auto zero = c.zero_points && c.bits != 0 ? ZeroPoints::kPacked : ZeroPoints::kNone;
  e.weights = random_nbits(random, {c.experts, rows, k, c.bits, c.block_size, zero, c.scales});
  if (c.bias) e.bias = random_floats(random, size_t{c.experts} * rows, c.storage);
  return e;
}

inline QMoEHost random_host(Random& random, const QMoECase& c) {
  QMoEHost h{c.tokens, c.hidden, c.inner, c.experts, {}, {}, {}, {}, {}, {}, {}, {}};
  const size_t routes = size_t{c.tokens} * c.experts;
  h.input = random_floats(random, size_t{c.tokens} * c.hidden, c.storage, 3);
  h.router = random_floats(random, routes, c.storage, 2);
  if (c.router_weights) h.router_weights = random_floats(random, routes, c.storage);
  if (c.choice_bias) h.choice_bias = random_floats(random, c.experts, c.storage, 0.5f);
  if (c.residual) h.residual = random_floats(random, h.input.size(), c.storage);
  h.fc1 = random_expert(random, c, (c.fusion != 0 ? 2 : 1) * c.inner, c.hidden);
  h.fc2 = random_expert(random, c, c.hidden, c.inner);
  if (c.fc3) h.fc3 = random_expert(random, c, c.inner, c.hidden);
  return h;
}

inline QMoEProblem::Expert upload_expert(Runner& runner, const QMoECase& c, const QMoEHost::Expert& e) {
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

inline QMoEProblem attributes(const QMoECase& c) {
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
  p.use_sparse_mixer = c.sparse;
  p.scale = c.scale;
  p.sigmoid = {c.sigmoid, c.storage, {}, c.least, c.epsilon};
  p.variant = c.variant;
  return p;
}

inline void check_qmoe(gpu::Device& device, const QMoECase& c, QMoEHost h, const gpu::Caps* caps = nullptr) {
  Runner runner(device);
  QMoEProblem p = attributes(c);
  p.input = runner.upload(c.storage, {c.tokens, c.hidden}, h.input);
  p.router = runner.upload(c.storage, {c.tokens, c.experts}, h.router);
  if (c.router_weights) p.router_weights = runner.upload(c.storage, {c.tokens, c.experts}, h.router_weights);
  if (c.choice_bias) p.sigmoid.bias = runner.upload(c.storage, {c.experts}, h.choice_bias);
  if (c.residual) p.residual = runner.upload(c.storage, {c.tokens, c.hidden}, h.residual);
  p.fc1 = upload_expert(runner, c, h.fc1);
  p.fc2 = upload_expert(runner, c, h.fc2);
  if (c.fc3) p.fc3 = upload_expert(runner, c, h.fc3);
  p.y = runner.allocate(c.storage, {c.tokens, c.hidden});
  if (c.norm_input) {
    Random random(1);
    const auto gamma = random_floats(random, c.hidden, c.storage);
    p.norm_weight = runner.upload(c.storage, {c.hidden}, gamma);
    p.norm_epsilon = 0.01f;
    h.input = rms_normalised(h.input, gamma, p.norm_epsilon);
  }
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

inline void check_qmoe(QMoECase c, uint32_t seed) {
  Random random(seed);
  const QMoEHost h = random_host(random, c);
  c.variant = QMoEVariant::kPrefill;  // uses no subgroups: one device will do
  check_qmoe(test_device(), c, h);
  c.variant = QMoEVariant::kDecode;
  for (gpu::Device* device : test_devices()) {
    if (testing::Test::HasFatalFailure()) return;
    check_qmoe(*device, c, h);
  }
}

}  // namespace sluice::kernels::test
