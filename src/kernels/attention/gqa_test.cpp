// GroupQueryAttention on the GPU against its reference: every variant, options alone and together.
#include "kernels/attention/gqa.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/half.h"
#include "kernels/attention/gqa_ref.h"
#include "kernels/common/runner.h"

namespace sluice::kernels {
namespace {

struct Case {
  uint32_t seq = 1;
  std::vector<uint32_t> pasts = {0};  // one per batch entry
  uint32_t head_size = 16, kv_heads = 1, group = 1;
  uint32_t spare = 3;  // capacity beyond the longest sequence
  Storage storage = Storage::kF32;
  bool packed = false;
  uint32_t rotary = 0;  // rotary dimension
  bool interleaved = false, positions = false, norm = false, bias = false, sink = false, smooth = false;
  bool bias_per_head = false;
  int32_t window = -1;
  float softcap = 0, scale = 0;
  std::vector<int32_t> lengths = {};  // total lengths of a right-padded first prompt, instead of pasts

  uint32_t batch() const { return static_cast<uint32_t>(lengths.empty() ? pasts.size() : lengths.size()); }
};

void PrintTo(const Case& c, std::ostream* os) {  // NOLINT(readability-identifier-naming): GoogleTest's name
  *os << fmt::format(
      "seq {} pasts [{}] lengths [{}] head {} kv_heads {} group {} spare {} f16 {} packed {} rotary {}{}{} norm {} "
      "bias {}{} sink {} "
      "smooth {} window {} softcap {} scale {}",
      c.seq, fmt::join(c.pasts, ","), fmt::join(c.lengths, ","), c.head_size, c.kv_heads, c.group, c.spare,
      c.storage == Storage::kF16, c.packed, c.rotary, c.interleaved ? " interleaved" : "",
      c.positions ? " positions" : "", c.norm, c.bias, c.bias_per_head ? " per head" : "", c.sink, c.smooth, c.window,
      c.softcap, c.scale);
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

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Random data for a case. Cache rows beyond the past are NaN: no kernel may look at them.
GqaReference make_reference(const Case& c, uint32_t seed) {
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
  r.scale = c.scale;
  r.softcap = c.softcap;
  r.window = c.window;
  r.smooth = c.smooth;
  r.half = c.storage == Storage::kF16;
  return r;
}

// (tokens, q heads), (tokens, kv heads) twice -> (tokens, all).
std::vector<float> pack(const GqaReference& r) {
  std::vector<float> packed;
  const size_t q = r.heads * r.head_size, kv = r.kv_heads * r.head_size;
  for (size_t t = 0; t < size_t{r.batch} * r.seq; ++t) {
    packed.insert(packed.end(), r.query.begin() + t * q, r.query.begin() + (t + 1) * q);
    packed.insert(packed.end(), r.key.begin() + t * kv, r.key.begin() + (t + 1) * kv);
    packed.insert(packed.end(), r.value.begin() + t * kv, r.value.begin() + (t + 1) * kv);
  }
  return packed;
}

GroupQueryAttentionProblem make_problem(const Case& c, const GqaReference& r, Runner& runner) {
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
  p.output = runner.allocate(c.storage, {r.batch, r.seq, q});
  p.num_heads = r.heads;
  p.kv_num_heads = r.kv_heads;
  p.scale = c.scale;
  p.softcap = c.softcap;
  p.rotary_interleaved = c.interleaved;
  p.local_window_size = c.window;
  p.smooth_softmax = c.smooth;
  return p;
}

void expect_close(const std::vector<float>& got, const std::vector<float>& want, float tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  size_t wrong = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const bool ok =
        std::isnan(want[i]) ? std::isnan(got[i]) : std::abs(got[i] - want[i]) <= tolerance * (1 + std::abs(want[i]));
    if (!ok && wrong++ < 5) ADD_FAILURE() << what << " [" << i << "]: got " << got[i] << ", want " << want[i];
  }
  EXPECT_EQ(wrong, 0u) << what << ": of " << got.size();
}

void check(const Case& c, uint32_t seed) {
  SCOPED_TRACE(::testing::PrintToString(c));
  if (c.storage == Storage::kF16 && !test_device().caps().f16) GTEST_SKIP() << "no shader-f16";
  GqaReference r = make_reference(c, seed);
  Runner runner(test_device());
  const auto p = make_problem(c, r, runner);
  plan_group_query_attention(p, runner.recorder());
  runner.run();
  const auto want = r.run();
  const float tolerance = c.storage == Storage::kF16 ? 3e-3f : 2e-5f;
  expect_close(runner.read_floats(p.key_cache), r.key_cache, tolerance, "key cache");
  expect_close(runner.read_floats(p.value_cache), r.value_cache, 0, "value cache");
  expect_close(runner.read_floats(p.output), want, tolerance, "output");
}

class GqaTest : public ::testing::TestWithParam<Case> {};

TEST_P(GqaTest, MatchesTheReference) { check(GetParam(), 1234); }

// The cross product of lengths that decide between decode and prefill, one split and many, full and ragged tiles.
std::vector<Case> lengths() {
  std::vector<Case> cases;
  for (uint32_t seq : {1u, 2u, 8u, 9u, 31u, 33u, 64u, 65u}) {
    for (uint32_t past : {0u, 1u, 31u, 257u}) {
      cases.push_back({.seq = seq, .pasts = {past}, .kv_heads = 2, .group = 2});
      cases.push_back({.seq = seq,
                       .pasts = {past},
                       .head_size = 64,
                       .group = 4,
                       .spare = 300,
                       .storage = Storage::kF16,
                       .rotary = 64});
    }
  }
  return cases;
}

std::vector<Case> shapes() {
  std::vector<Case> cases;
  for (uint32_t head_size : {8u, 24u, 64u, 80u, 120u, 128u, 136u, 256u}) {
    for (uint32_t seq : {1u, 13u}) {
      const Storage storage = head_size % 16 == 0 ? Storage::kF16 : Storage::kF32;
      cases.push_back(
          {.seq = seq, .pasts = {70}, .head_size = head_size, .kv_heads = 1, .group = 5, .storage = storage});
    }
  }
  for (uint32_t group : {1u, 2u, 3u, 7u, 8u, 16u, 40u}) {
    cases.push_back({.pasts = {133}, .kv_heads = 2, .group = group});
    cases.push_back({.seq = 3, .pasts = {12}, .kv_heads = 2, .group = group, .packed = true});
  }
  return cases;
}

std::vector<Case> options() {
  std::vector<Case> cases;
  for (uint32_t seq : {1u, 3u, 37u}) {
    for (uint32_t past : {0u, 600u}) {
      const Case base{.seq = seq, .pasts = {past}, .kv_heads = 2, .group = 4};
      const auto add = [&](auto&& change) {
        cases.push_back(base);
        change(cases.back());
      };
      add([](Case& c) { c.rotary = 16; });
      add([](Case& c) { c.rotary = 8, c.packed = true; });
      add([](Case& c) { c.rotary = 12, c.interleaved = true; });
      add([](Case& c) { c.rotary = 16, c.positions = true; });
      add([](Case& c) { c.norm = true; });
      add([](Case& c) { c.norm = true, c.packed = true, c.rotary = 16, c.positions = true; });
      add([](Case& c) { c.norm = true, c.rotary = 16, c.positions = true; });
      for (int32_t window : {1, 2, 31, 64, 128}) add([window](Case& c) { c.window = window; });
      add([](Case& c) { c.sink = true; });
      add([](Case& c) { c.smooth = true; });
      add([](Case& c) { c.softcap = 1.5f; });
      add([](Case& c) { c.scale = 0.7f; });
      add([](Case& c) { c.bias = true; });
      add([](Case& c) { c.bias = true, c.bias_per_head = true; });
      add([](Case& c) { c.sink = true, c.window = 40, c.rotary = 16, c.bias = true, c.softcap = 5; });
    }
  }
  return cases;
}

std::vector<Case> batches() {
  std::vector<Case> cases;
  for (Storage storage : {Storage::kF32, Storage::kF16}) {
    cases.push_back({.pasts = {0, 40}, .kv_heads = 2, .group = 2, .storage = storage, .rotary = 16});
    cases.push_back({.pasts = {300, 3, 90},
                     .kv_heads = 2,
                     .group = 4,
                     .storage = storage,
                     .rotary = 16,
                     .bias = true,
                     .sink = true});
    cases.push_back({.seq = 5, .kv_heads = 2, .group = 2, .storage = storage, .rotary = 16, .lengths = {5, 3}});
    cases.push_back(
        {.seq = 40, .kv_heads = 2, .group = 2, .storage = storage, .packed = true, .rotary = 16, .lengths = {1, 40}});
    cases.push_back(
        {.seq = 40, .kv_heads = 2, .group = 2, .storage = storage, .sink = true, .window = 5, .lengths = {7, 40}});
  }
  return cases;
}

// So many heads that a split has several tiles; a cache filled to its last row.
std::vector<Case> crowds() {
  return {
      {.pasts = {300}, .head_size = 8, .kv_heads = 150, .group = 1},
      {.pasts = {500}, .kv_heads = 100, .group = 2, .spare = 0, .sink = true},
      {.pasts = {700}, .kv_heads = 60, .group = 2, .window = 400},
      {.seq = 40, .pasts = {200}, .kv_heads = 5, .group = 3, .spare = 0},
      {.seq = 3, .pasts = {5}, .spare = 0, .rotary = 16},
  };
}

INSTANTIATE_TEST_SUITE_P(Crowds, GqaTest, ::testing::ValuesIn(crowds()));
INSTANTIATE_TEST_SUITE_P(Lengths, GqaTest, ::testing::ValuesIn(lengths()));
INSTANTIATE_TEST_SUITE_P(Shapes, GqaTest, ::testing::ValuesIn(shapes()));
INSTANTIATE_TEST_SUITE_P(Options, GqaTest, ::testing::ValuesIn(options()));
INSTANTIATE_TEST_SUITE_P(Batches, GqaTest, ::testing::ValuesIn(batches()));

TEST(Gqa, RandomCasesMatchTheReference) {
  Random random(99, false);
  for (uint32_t seed = 0; seed < 12; ++seed) {
    Case c;
    c.seq = 1 + random.below(random.below(2) ? 70 : 8);
    c.pasts = {random.below(200)};
    c.head_size = 8u << random.below(3);
    c.kv_heads = 1 + random.below(3);
    c.group = 1 + random.below(9);
    c.spare = random.below(200);
    if (random.below(3) == 0 && test_device().caps().f16) c.storage = Storage::kF16;
    c.packed = random.below(2);
    if (random.below(2)) c.rotary = 2 * (1 + random.below(c.head_size / 2));
    c.interleaved = random.below(2);
    c.positions = random.below(4) == 0;
    c.norm = random.below(3) == 0;
    c.bias = random.below(4) == 0;
    c.bias_per_head = random.below(2);
    c.sink = random.below(3) == 0;
    c.smooth = !c.sink && random.below(4) == 0;
    if (random.below(2)) c.window = static_cast<int32_t>(1 + random.below(100));
    if (random.below(4) == 0) c.softcap = 2;
    check(c, seed);
  }
}

// The prompt at once gives what the same tokens give one by one.
TEST(Gqa, TokenByTokenEqualsAllAtOnce) {
  Case c{.seq = 41, .head_size = 32, .kv_heads = 2, .group = 3, .rotary = 32, .norm = true, .sink = true, .window = 17};
  const GqaReference whole = make_reference(c, 5);
  Runner all_runner(test_device());
  const auto all = make_problem(c, whole, all_runner);
  plan_group_query_attention(all, all_runner.recorder());
  all_runner.run();
  const auto want = all_runner.read_floats(all.output);

  GqaReference step = whole;
  step.seq = 1;
  c.seq = 1;
  const size_t q = whole.heads * whole.head_size, kv = whole.kv_heads * whole.head_size;
  std::vector<float> got;
  for (uint32_t t = 0; t < 41; ++t) {
    step.query.assign(whole.query.begin() + t * q, whole.query.begin() + (t + 1) * q);
    step.key.assign(whole.key.begin() + t * kv, whole.key.begin() + (t + 1) * kv);
    step.value.assign(whole.value.begin() + t * kv, whole.value.begin() + (t + 1) * kv);
    step.seqlens = {static_cast<int32_t>(t)};
    Runner runner(test_device());
    const auto p = make_problem(c, step, runner);
    plan_group_query_attention(p, runner.recorder());
    runner.run();
    const auto out = runner.read_floats(p.output);
    got.insert(got.end(), out.begin(), out.end());
    step.key_cache = runner.read_floats(p.key_cache);
    step.value_cache = runner.read_floats(p.value_cache);
  }
  expect_close(got, want, 2e-5f, "output");
}

// A bias of -inf hides keys; a row that sees nothing is 0, not NaN.
TEST(Gqa, InfiniteBiasHidesKeys) {
  for (uint32_t seq : {2u, 40u}) {
    const Case c{.seq = seq, .pasts = {20}, .kv_heads = 1, .group = 2, .bias = true};
    GqaReference r = make_reference(c, 7);
    for (size_t i = 0; i < r.bias.size(); ++i) {
      if (i < r.bias_total || i % 3 == 0) r.bias[i] = -INFINITY;
    }
    Runner runner(test_device());
    const auto p = make_problem(c, r, runner);
    plan_group_query_attention(p, runner.recorder());
    runner.run();
    const auto got = runner.read_floats(p.output);
    expect_close(got, r.run(), 2e-5f, "output");
    EXPECT_EQ(got[0], 0.0f);
  }
}

// A NaN in a key that a row sees makes the row NaN; rows that do not see it stay as they are.
TEST(Gqa, NanStaysNan) {
  for (uint32_t seq : {3u, 40u}) {
    const Case c{.seq = seq, .pasts = {50}, .kv_heads = 1, .group = 1, .window = 4};
    GqaReference r = make_reference(c, 8);
    r.key_cache[48 * r.head_size] = kNan;
    Runner runner(test_device());
    const auto p = make_problem(c, r, runner);
    plan_group_query_attention(p, runner.recorder());
    runner.run();
    const auto got = runner.read_floats(p.output);
    // The window of token s starts at key 47 + s.
    EXPECT_TRUE(std::isnan(got[0]));
    EXPECT_TRUE(std::isnan(got[r.head_size]));
    EXPECT_FALSE(std::isnan(got[2 * r.head_size]));
  }
}

// With only eight buffers a dispatch, norm, rotation and append fall into several.
TEST(Gqa, FewBuffersSplitTheAppend) {
  const Case c{.seq = 3, .pasts = {9}, .kv_heads = 2, .group = 2, .rotary = 16, .positions = true, .norm = true};
  GqaReference r = make_reference(c, 3);
  Runner runner(test_device());
  const auto p = make_problem(c, r, runner);
  gpu::Caps caps = test_device().caps();
  caps.max_storage_buffers = 8;
  Recorder small(caps);
  plan_group_query_attention(p, small);
  EXPECT_EQ(small.dispatches().size(), 4u);
  for (const Dispatch& dispatch : small.dispatches()) EXPECT_LE(dispatch.operands.size(), 8u);
  // The runner's own recorder numbers its scratch tensors alike.
  for (const Tensor& t : small.scratch_tensors()) ASSERT_EQ(runner.recorder().scratch(t.storage, t.shape).slot, t.slot);
  for (const Dispatch& dispatch : small.dispatches()) runner.recorder().add(dispatch);
  runner.run();
  expect_close(runner.read_floats(p.output), r.run(), 2e-5f, "output");
}

// A plan made for a large cache serves every length: only the contents of seqlens change.
TEST(Gqa, OnePlanServesEveryLength) {
  for (uint32_t past : {0u, 5u, 63u, 64u, 65u, 700u, 1900u}) {
    check({.pasts = {past}, .head_size = 64, .kv_heads = 2, .group = 4, .spare = 2000 - past}, past);
    check({.pasts = {past}, .head_size = 64, .kv_heads = 2, .group = 4, .spare = 2000 - past, .window = 128}, past);
  }
  check({.seq = 20, .pasts = {900}, .head_size = 32, .kv_heads = 1, .group = 4, .spare = 1200}, 4);
}

TEST(Gqa, RefusesWhatItCannotDo) {
  const Case c{.kv_heads = 2, .group = 2, .rotary = 16};
  const GqaReference r = make_reference(c, 1);
  Runner runner(test_device());
  const auto good = make_problem(c, r, runner);
  const auto refuses = [&](auto&& change, const char* word) {
    auto p = good;
    change(p);
    Recorder recorder(test_device().caps());
    try {
      plan_group_query_attention(p, recorder);
      ADD_FAILURE() << "accepted: " << word;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
    }
    EXPECT_TRUE(recorder.dispatches().empty());
  };
  refuses([](auto& p) { p.num_heads = 3; }, "multiple of kv_num_heads");
  refuses([](auto& p) { p.num_heads = 32; }, "multiple of 8");
  refuses([](auto& p) { p.key = {}; }, "key and value");
  refuses([](auto& p) { p.cos_cache = {}; }, "cos_cache");
  refuses([](auto& p) { p.local_window_size = 0; }, "local_window_size");
  refuses([](auto& p) { p.value_cache.shape[2] += 1; }, "value cache");
  refuses([](auto& p) { p.head_sink = p.query; }, "head_sink");
  refuses([](auto& p) { p.q_norm_weight = {1, Storage::kF32, {16}}; }, "k_norm_weight");
  refuses([](auto& p) { p.attention_bias = {1, Storage::kF32, {1, 3, 1, 4}}; }, "attention_bias");
  refuses([](auto& p) { p.seqlens.shape = {2}; }, "seqlens_k");
}

TEST(Gqa, NothingToDo) {
  GroupQueryAttentionProblem p;
  p.num_heads = p.kv_num_heads = 1;
  p.query = p.key = p.value = p.output = {1, Storage::kF32, {0, 1, 8}};
  p.key_cache = p.value_cache = {2, Storage::kF32, {0, 1, 4, 8}};
  p.seqlens = {3, Storage::kI32, {0}};
  Recorder recorder(test_device().caps());
  plan_group_query_attention(p, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
}

}  // namespace
}  // namespace sluice::kernels
