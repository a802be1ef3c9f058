// LinearAttention, its gates and the gated norm against their definitions.
#include "kernels/attention/linear_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/half.h"
#include "kernels/attention/linear_attention_ref.h"
#include "kernels/attention/linear_gates.h"
#include "kernels/common/runner.h"

namespace sluice::kernels {
namespace {

enum class State { kNone, kNew, kSeparate, kInPlace };

struct Case {
  LinearRule rule = LinearRule::kGatedDelta;
  uint32_t batch = 2, tokens = 3, heads = 2, key_heads = 2, state_heads = 2, key_size = 16, value_size = 16;
  State state = State::kInPlace;
  bool key_decay = false, one_beta = false;
  int active = -1;
  Storage storage = Storage::kF32, state_storage = Storage::kF32;
};

std::vector<float> randoms(std::mt19937& engine, size_t count, float spread) {
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> values(count);
  for (float& v : values) v = half_to_float(float_to_half(normal(engine)));
  return values;
}

void expect_close(const std::vector<float>& got, const std::vector<float>& want, float tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::abs(want[i]))) << what << " [" << i << "]";
}

void check(const Case& c, uint32_t seed) {
  SCOPED_TRACE(fmt::format("case {}: rule {} batch {} tokens {} heads {}/{}/{} sizes {}/{} state {} active {} f16 {}",
                           seed, static_cast<int>(c.rule), c.batch, c.tokens, c.heads, c.key_heads, c.state_heads,
                           c.key_size, c.value_size, static_cast<int>(c.state), c.active, c.storage == Storage::kF16));
  if (c.storage == Storage::kF16 && !test_device().caps().f16) return;
  std::mt19937 engine(seed);
  const bool gated = c.rule == LinearRule::kGated || c.rule == LinearRule::kGatedDelta;
  const bool delta = c.rule == LinearRule::kDelta || c.rule == LinearRule::kGatedDelta;
  LinearAttentionReference r;
  r.batch = c.batch, r.tokens = c.tokens, r.heads = c.heads, r.key_heads = c.key_heads, r.state_heads = c.state_heads;
  r.key_size = c.key_size, r.value_size = c.value_size;
  const size_t tokens = size_t{c.batch} * c.tokens;
  r.query = randoms(engine, tokens * c.heads * c.key_size, 1);
  r.key = randoms(engine, tokens * c.key_heads * c.key_size, 1 / std::sqrt(static_cast<float>(c.key_size)));
  r.value = randoms(engine, tokens * c.state_heads * c.value_size, 1);
  if (gated) r.decay = randoms(engine, tokens * c.state_heads * (c.key_decay ? c.key_size : 1), 1);
  for (float& v : r.decay) v = -std::abs(v);
  if (delta) r.beta = randoms(engine, tokens * (c.one_beta ? 1 : c.state_heads), 0.3f);
  r.scale = 1 / std::sqrt(static_cast<double>(c.key_size));
  const size_t size = size_t{c.batch} * c.state_heads * c.key_size * c.value_size;
  const bool has_past = c.state >= State::kSeparate;
  const auto past = has_past ? randoms(engine, size, 1) : std::vector<float>(size, 0);
  r.state.assign(past.begin(), past.end());

  Runner runner(test_device());
  LinearAttentionProblem p;
  const std::vector<uint32_t> state{c.batch, c.state_heads, c.key_size, c.value_size};
  const auto upload = [&](const std::vector<float>& values) {
    return runner.upload(c.storage, {c.batch, c.tokens, static_cast<uint32_t>(values.size() / tokens)}, values);
  };
  p.query = upload(r.query);
  p.key = upload(r.key);
  p.value = upload(r.value);
  if (gated) p.decay = upload(r.decay);
  if (delta) p.beta = upload(r.beta);
  p.output = runner.allocate(c.storage, {c.batch, c.tokens, std::max(c.heads, c.state_heads) * c.value_size});
  if (has_past) p.past = runner.upload(c.state_storage, state, past);
  const std::vector<float> untouched(size, 7);
  if (c.state == State::kInPlace) p.present = p.past;
  if (c.state == State::kSeparate || c.state == State::kNew)
    p.present = runner.upload(c.state_storage, state, untouched);
  if (c.active >= 0) {
    p.active = runner.upload({1}, std::vector<int32_t>{c.active});
    p.active.storage = Storage::kU32;
  }
  p.heads = c.heads;
  p.state_heads = c.state_heads;
  p.rule = c.rule;
  plan_linear_attention(p, runner.recorder());
  runner.run();
  r.run();
  const float tolerance = c.storage == Storage::kF16 || c.state_storage == Storage::kF16 ? 4e-3f : 3e-5f;
  expect_close(runner.read_floats(p.output), r.output, tolerance, "output");
  if (!p.present) return;
  const std::vector<float> kept = c.state == State::kInPlace ? past : untouched;
  expect_close(runner.read_floats(p.present), c.active == 0 ? kept : std::vector<float>(r.state.begin(), r.state.end()),
               tolerance, "state");
}

TEST(LinearAttention, MatchesTheReference) {
  uint32_t seed = 0;
  for (const Storage storage : {Storage::kF32, Storage::kF16}) {
    for (const LinearRule rule :
         {LinearRule::kLinear, LinearRule::kGated, LinearRule::kDelta, LinearRule::kGatedDelta}) {
      for (const uint32_t size : {1u, 15u, 16u, 17u, 33u})
        check({.rule = rule, .key_size = size, .value_size = 34 - size, .storage = storage}, ++seed);
      for (const uint32_t tokens : {1u, 2u, 40u}) check({.rule = rule, .tokens = tokens, .storage = storage}, ++seed);
      check({.rule = rule, .heads = 6, .state = State::kNew, .storage = storage}, ++seed);
      check({.rule = rule, .heads = 1, .key_heads = 1, .state_heads = 4, .state = State::kNone, .storage = storage},
            ++seed);
      check({.rule = rule, .heads = 4, .key_heads = 1, .key_decay = true, .one_beta = true, .storage = storage},
            ++seed);
    }
    check({.heads = 1,
           .key_heads = 1,
           .state_heads = 1,
           .key_size = 128,
           .value_size = 128,
           .storage = storage,
           .state_storage = storage},
          ++seed);
  }
  check({.heads = 1, .key_heads = 1, .state_heads = 1, .key_size = 1024, .value_size = 3}, ++seed);
}

TEST(LinearAttention, KeepsTheStateWhileInactive) {
  uint32_t seed = 500;
  for (const State state : {State::kNew, State::kInPlace}) {
    for (const int active : {0, 1}) check({.state = state, .active = active}, ++seed);
  }
}

TEST(LinearAttention, RefusesWhatDoesNotAgree) {
  LinearAttentionProblem good;
  good.query = {1, Storage::kF32, {1, 2, 16}};
  good.key = {2, Storage::kF32, {1, 2, 16}};
  good.value = {3, Storage::kF32, {1, 2, 12}};
  good.decay = {4, Storage::kF32, {1, 2, 2}};
  good.beta = {5, Storage::kF32, {1, 2, 2}};
  good.output = {6, Storage::kF32, {1, 2, 12}};
  good.present = {7, Storage::kF32, {1, 2, 8, 6}};
  good.heads = good.state_heads = 2;
  const auto refuses = [&](auto&& change) {
    auto p = good;
    change(p);
    Recorder recorder(test_device().caps());
    EXPECT_THROW(plan_linear_attention(p, recorder), Error);
    EXPECT_TRUE(recorder.dispatches().empty());
  };
  Recorder recorder(test_device().caps());
  EXPECT_NO_THROW(plan_linear_attention(good, recorder));
  refuses([](auto& p) { p.heads = 3; });
  refuses([](auto& p) { p.heads = 0; });
  refuses([](auto& p) { p.decay = {}; });
  refuses([](auto& p) { p.beta = {}; });
  refuses([](auto& p) { p.decay.shape[2] = 3; });
  refuses([](auto& p) { p.beta.shape[2] = 3; });
  refuses([](auto& p) { p.key.shape[2] = 24; });
  refuses([](auto& p) { p.value.shape[1] = 3; });
  refuses([](auto& p) { p.present.shape[2] = 6; });
  refuses([](auto& p) { p.past = {8, Storage::kF16, {1, 2, 8, 6}}; });
  refuses([](auto& p) { p.query.shape = p.key.shape = {1, 2, 4096}; });
  refuses([](auto& p) { p.active = {8, Storage::kI32, {1}}; });
}

TEST(LinearGates, MatchTheirFormulas) {
  std::mt19937 engine(3);
  for (const Storage storage : {Storage::kF32, Storage::kF16}) {
    if (storage == Storage::kF16 && !test_device().caps().f16) continue;
    Runner runner(test_device());
    const std::vector<uint32_t> shape{2, 37, 5};
    auto a = randoms(engine, 370, 4);
    a[0] = -60, a[1] = 60, a[2] = 0;
    const auto b = randoms(engine, 370, 4), bias = randoms(engine, 5, 1), scale = randoms(engine, 5, 1);
    LinearGateProblem p;
    p.a = runner.upload(storage, shape, a);
    p.b = runner.upload(storage, shape, b);
    p.dt_bias = runner.upload(Storage::kF32, {5}, bias);
    p.decay_scale = runner.upload(Storage::kF32, {5}, scale);
    p.decay = runner.allocate(storage, shape);
    p.beta = runner.allocate(storage, shape);
    plan_linear_gate(p, runner.recorder());
    runner.run();
    std::vector<float> decay, beta;
    for (size_t i = 0; i < a.size(); ++i) {
      decay.push_back(static_cast<float>(scale[i % 5] * std::log1p(std::exp(double{a[i]} + bias[i % 5]))));
      beta.push_back(static_cast<float>(1 / (1 + std::exp(-double{b[i]}))));
    }
    const float tolerance = storage == Storage::kF16 ? 2e-3f : 2e-6f;
    expect_close(runner.read_floats(p.decay), decay, tolerance, "decay");
    expect_close(runner.read_floats(p.beta), beta, tolerance, "beta");
  }
}

TEST(LinearGates, GatedNormMatchesItsFormula) {
  std::mt19937 engine(4);
  for (const Storage storage : {Storage::kF32, Storage::kF16}) {
    if (storage == Storage::kF16 && !test_device().caps().f16) continue;
    for (const uint32_t size : {1u, 3u, 31u, 63u, 64u, 65u, 200u}) {
      for (const bool silu : {false, true}) {
        Runner runner(test_device());
        const std::vector<uint32_t> shape{3, 2 * size};
        const auto x = randoms(engine, 6 * size, 2), gate = randoms(engine, 6 * size, 2),
                   scale = randoms(engine, size, 1);
        GatedRmsNormProblem p;
        p.x = runner.upload(storage, shape, x);
        p.gate = runner.upload(storage, shape, gate);
        p.scale = runner.upload(storage, {size}, scale);
        p.y = runner.allocate(storage, shape);
        p.activation = silu ? GateActivation::kSilu : GateActivation::kSigmoid;
        plan_gated_rms_norm(p, runner.recorder());
        runner.run();
        std::vector<float> want;
        for (size_t i = 0; i < x.size(); ++i) {
          double squares = 0;
          for (size_t j = i / size * size; j < i / size * size + size; ++j) squares += double{x[j]} * x[j];
          const double activation = (silu ? gate[i] : 1) / (1 + std::exp(-double{gate[i]}));
          want.push_back(static_cast<float>(x[i] / std::sqrt(squares / size + 1e-5) * scale[i % size] * activation));
        }
        expect_close(runner.read_floats(p.y), want, storage == Storage::kF16 ? 2e-3f : 1e-5f, "y");
      }
    }
  }
}

TEST(LinearGates, RefuseWhatDoesNotAgree) {
  const LinearGateProblem gate{.a = {1, Storage::kF32, {1, 2, 4}},
                               .dt_bias = {2, Storage::kF32, {4}},
                               .decay_scale = {3, Storage::kF32, {4}},
                               .b = {},
                               .decay = {4, Storage::kF32, {1, 2, 4}},
                               .beta = {}};
  const GatedRmsNormProblem norm{.x = {1, Storage::kF32, {2, 6}},
                                 .scale = {2, Storage::kF32, {3}},
                                 .gate = {3, Storage::kF32, {2, 6}},
                                 .y = {4, Storage::kF32, {2, 6}}};
  Recorder recorder(test_device().caps());
  EXPECT_NO_THROW(plan_linear_gate(gate, recorder));
  EXPECT_NO_THROW(plan_gated_rms_norm(norm, recorder));
  const auto refuses_gate = [&](auto&& change) {
    auto p = gate;
    change(p);
    EXPECT_THROW(plan_linear_gate(p, recorder), Error);
  };
  const auto refuses_norm = [&](auto&& change) {
    auto p = norm;
    change(p);
    EXPECT_THROW(plan_gated_rms_norm(p, recorder), Error);
  };
  refuses_gate([](auto& p) { p.a.shape = {2, 4}; });
  refuses_gate([](auto& p) { p.dt_bias.shape = {5}; });
  refuses_gate([](auto& p) { p.decay_scale.storage = Storage::kF16; });
  refuses_gate([](auto& p) { p.beta = p.decay; });
  refuses_norm([](auto& p) { p.scale.shape = {4}; });
  refuses_norm([](auto& p) { p.gate.shape = {6, 2}; });
  refuses_norm([](auto& p) { p.y.slot = 1; });
  refuses_norm([](auto& p) { p.x.storage = Storage::kI32; });
}

}  // namespace
}  // namespace sluice::kernels
