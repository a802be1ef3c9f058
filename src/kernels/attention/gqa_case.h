// A test case of GroupQueryAttention: its random data as reference and as problem, and their comparison.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "base/half.h"
#include "kernels/attention/gqa.h"
#include "kernels/attention/gqa_ref.h"
#include "kernels/common/runner.h"

namespace sluice::kernels::gqa_test {

struct Case {
  uint32_t seq = 1;
  std::vector<uint32_t> pasts = {0};  // one per batch entry
  uint32_t head_size = 16, kv_heads = 1, group = 1;
  uint32_t spare = 3;  // capacity beyond the longest sequence
  Storage storage = Storage::kF32;
  bool packed = false;
  uint32_t rotary = 0;  // rotary dimension
  bool interleaved = false, positions = false, norm = false, bias = false, sink = false, smooth = false;
  bool gate = false, bias_per_head = false;
  int32_t window = -1;
  float softcap = 0, scale = 0;
  bool both_ways = false;
  int qk = 0;                         // 1: scores, 2: weights
  std::vector<int32_t> lengths = {};  // total lengths of a right-padded first prompt, instead of pasts

  uint32_t batch() const { return static_cast<uint32_t>(lengths.empty() ? pasts.size() : lengths.size()); }
};

inline void PrintTo(const Case& c, std::ostream* os) {  // NOLINT(readability-identifier-naming): GoogleTest's name
  *os << fmt::format(
      "seq {} pasts [{}] lengths [{}] head {} kv_heads {} group {} spare {} f16 {} packed {} rotary {}{}{} norm {} "
      "bias {}{} gate {} sink {} "
      "smooth {} window {} softcap {} scale {} both ways {} qk {}",
      c.seq, fmt::join(c.pasts, ","), fmt::join(c.lengths, ","), c.head_size, c.kv_heads, c.group, c.spare,
      c.storage == Storage::kF16, c.packed, c.rotary, c.interleaved ? " interleaved" : "",
      c.positions ? " positions" : "", c.norm, c.bias, c.bias_per_head ? " per head" : "", c.gate, c.sink, c.smooth,
      c.window, c.softcap, c.scale, c.both_ways, c.qk);
}

class Random {
 public:
  explicit Random(uint32_t seed, bool half) : engine_(seed), half_(half) {}
  std::vector<float> floats(size_t count, float spread = 1, float centre = 0) {
    std::normal_distribution<float> normal(centre, spread);
    std::vector<float> values(count);
    for (float& v : values) v = half_ ? half_to_float(float_to_half(normal(engine_))) : normal(engine_);
    return values;
  }
  uint32_t below(uint32_t limit) { return std::uniform_int_distribution<uint32_t>(0, limit - 1)(engine_); }

 private:
  std::mt19937 engine_;
  bool half_;
};

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Random data for a case. Cache rows beyond the past are NaN: no kernel may look at them.
inline GqaReference make_reference(const Case& c, uint32_t seed) {
  Random random(seed, c.storage == Storage::kF16);
  GqaReference r;
  r.batch = c.batch();
  r.seq = c.seq;
  r.heads = c.kv_heads * c.group;
  r.kv_heads = c.kv_heads;
  r.head_size = c.head_size;
  uint32_t longest = c.seq;
  for (uint32_t b = 0; b < r.batch; ++b) {
    const auto total = c.lengths.empty() ? static_cast<int32_t>(c.pasts[b] + c.seq) : c.lengths[b];
    r.seqlens.push_back(total - 1);
    longest = std::max(longest, static_cast<uint32_t>(total));
  }
  r.capacity = longest + c.spare;
  const size_t tokens = size_t{r.batch} * r.seq;
  r.query = random.floats(tokens * r.heads * r.head_size);
  r.key = random.floats(tokens * r.kv_heads * r.head_size);
  r.value = random.floats(tokens * r.kv_heads * r.head_size);
  r.key_cache.assign(size_t{r.batch} * r.kv_heads * r.capacity * r.head_size, kNan);
  r.value_cache = r.key_cache;
  for (uint32_t b = 0; b < r.batch && c.lengths.empty(); ++b) {
    const size_t size = size_t{c.pasts[b]} * r.head_size;
    for (uint32_t h = 0; h < r.kv_heads; ++h) {
      const auto k = random.floats(size), v = random.floats(size);
      const size_t at = size_t{b * r.kv_heads + h} * r.capacity * r.head_size;
      std::copy(k.begin(), k.end(), r.key_cache.begin() + at);
      std::copy(v.begin(), v.end(), r.value_cache.begin() + at);
    }
  }
  r.rotary_half = c.rotary / 2;
  r.interleaved = c.interleaved;
  r.cos = random.floats(size_t{r.capacity} * r.rotary_half);
  r.sin = random.floats(size_t{r.capacity} * r.rotary_half);
  for (size_t i = 0; c.positions && i < tokens; ++i) r.positions.push_back(static_cast<int32_t>(random.below(4)));
  if (c.bias) {
    r.bias_batch = r.batch;
    r.bias_heads = c.bias_per_head ? r.heads : 1;
    r.bias_total = longest;
    r.bias = random.floats(size_t{r.bias_batch} * r.bias_heads * r.seq * r.bias_total);
  }
  if (c.sink) r.sink = random.floats(r.heads, 2);
  if (c.norm) {
    r.q_norm = random.floats(r.head_size, 0.3f, 1);
    r.k_norm = random.floats(r.head_size, 0.3f, 1);
  }
  if (c.gate) r.gate = random.floats(r.query.size(), 3);
  r.scale = c.scale;
  r.softcap = c.softcap;
  r.window = c.window;
  r.smooth = c.smooth;
  r.causal = !c.both_ways;
  r.qk_total = c.qk != 0 ? longest : 0;
  r.half = c.storage == Storage::kF16;
  return r;
}

// (tokens, q heads), (tokens, kv heads) twice -> (tokens, all).
inline std::vector<float> pack(const GqaReference& r) {
  std::vector<float> packed;
  const size_t q = r.heads * r.head_size, kv = r.kv_heads * r.head_size;
  for (size_t t = 0; t < size_t{r.batch} * r.seq; ++t) {
    packed.insert(packed.end(), r.query.begin() + t * q, r.query.begin() + (t + 1) * q);
    packed.insert(packed.end(), r.key.begin() + t * kv, r.key.begin() + (t + 1) * kv);
    packed.insert(packed.end(), r.value.begin() + t * kv, r.value.begin() + (t + 1) * kv);
  }
  return packed;
}

inline GroupQueryAttentionProblem make_problem(const Case& c, const GqaReference& r, Runner& runner) {
  GroupQueryAttentionProblem p;
  const uint32_t q = r.heads * r.head_size, kv = r.kv_heads * r.head_size;
  if (c.packed) {
    p.query = runner.upload(c.storage, {r.batch, r.seq, q + 2 * kv}, pack(r));
  } else {
    p.query = runner.upload(c.storage, {r.batch, r.seq, q}, r.query);
    p.key = runner.upload(c.storage, {r.batch, r.seq, kv}, r.key);
    p.value = runner.upload(c.storage, {r.batch, r.seq, kv}, r.value);
  }
  p.key_cache = runner.upload(c.storage, {r.batch, r.kv_heads, r.capacity, r.head_size}, r.key_cache);
  p.value_cache = runner.upload(c.storage, {r.batch, r.kv_heads, r.capacity, r.head_size}, r.value_cache);
  p.seqlens = runner.upload({r.batch, 1}, r.seqlens);
  if (c.rotary > 0) {
    p.do_rotary = true;
    p.cos_cache = runner.upload(c.storage, {r.capacity, r.rotary_half}, r.cos);
    p.sin_cache = runner.upload(c.storage, {r.capacity, r.rotary_half}, r.sin);
    if (c.positions) p.position_ids = runner.upload({r.batch, r.seq}, r.positions);
  }
  if (c.bias) p.attention_bias = runner.upload(c.storage, {r.bias_batch, r.bias_heads, r.seq, r.bias_total}, r.bias);
  if (c.sink) p.head_sink = runner.upload(Storage::kF32, {r.heads}, r.sink);
  if (c.norm) {
    p.q_norm_weight = runner.upload(Storage::kF32, {r.head_size}, r.q_norm);
    p.k_norm_weight = runner.upload(Storage::kF32, {r.head_size}, r.k_norm);
  }
  if (c.gate) p.gate = runner.upload(c.storage, {r.batch, r.seq, q}, r.gate);
  p.output = runner.allocate(c.storage, {r.batch, r.seq, q});
  p.num_heads = r.heads;
  p.kv_num_heads = r.kv_heads;
  p.scale = c.scale;
  p.softcap = c.softcap;
  p.rotary_interleaved = c.interleaved;
  p.local_window_size = c.window;
  p.smooth_softmax = c.smooth;
  p.causal = !c.both_ways;
  if (c.qk != 0) p.output_qk = runner.allocate(c.storage, {r.batch, r.heads, r.seq, r.qk_total});
  p.qk_weights = c.qk == 2;
  return p;
}

inline void expect_close(const std::vector<float>& got, const std::vector<float>& want, float tolerance,
                         const char* what) {
  ASSERT_EQ(got.size(), want.size());
  size_t wrong = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const bool ok =
        std::isnan(want[i]) ? std::isnan(got[i]) : std::abs(got[i] - want[i]) <= tolerance * (1 + std::abs(want[i]));
    if (!ok && wrong++ < 5) ADD_FAILURE() << what << " [" << i << "]: got " << got[i] << ", want " << want[i];
  }
  EXPECT_EQ(wrong, 0u) << what << ": of " << got.size();
}

// Compares what `plan` makes of the case with the reference.
template <class Plan>
void check_plan(const Case& c, uint32_t seed, const Plan& plan) {
  SCOPED_TRACE(::testing::PrintToString(c));
  if (c.storage == Storage::kF16 && !test_device().caps().f16) GTEST_SKIP() << "no shader-f16";
  GqaReference r = make_reference(c, seed);
  Runner runner(test_device());
  const auto p = make_problem(c, r, runner);
  plan(p, runner.recorder());
  runner.run();
  const auto want = r.run();
  const float tolerance = c.storage == Storage::kF16 ? 3e-3f : 2e-5f;
  expect_close(runner.read_floats(p.key_cache), r.key_cache, tolerance, "key cache");
  expect_close(runner.read_floats(p.value_cache), r.value_cache, 0, "value cache");
  expect_close(runner.read_floats(p.output), want, tolerance, "output");
  if (c.qk != 0)
    expect_close(runner.read_floats(p.output_qk), c.qk == 1 ? r.scores : r.weights, tolerance, "output_qk");
}

inline void check(const Case& c, uint32_t seed) { check_plan(c, seed, plan_group_query_attention); }

}  // namespace sluice::kernels::gqa_test
