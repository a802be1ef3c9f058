// GroupQueryAttention: properties, odd numbers, refusals and random cases.
#include "kernels/attention/gqa_case.h"

namespace sluice::kernels::gqa_test {
namespace {

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

// Key and value without tokens: the caches are only read.
TEST(Gqa, ReadsACacheThatIsAlreadyFull) {
  for (const bool both_ways : {false, true}) {
    Case c{.seq = 3, .pasts = {20}, .kv_heads = 2, .group = 2, .rotary = 16};
    c.both_ways = both_ways;
    GqaReference r = make_reference(c, 6);
    const auto want = r.run();
    Runner runner(test_device());
    auto p = make_problem(c, r, runner);  // run() has put the new rows into the reference's caches
    p.key.shape[1] = p.value.shape[1] = 0;
    plan_group_query_attention(p, runner.recorder());
    runner.run();
    expect_close(runner.read_floats(p.output), want, 2e-5f, "output");
    expect_close(runner.read_floats(p.key_cache), r.key_cache, 0, "key cache");
  }
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
  refuses([](auto& p) { p.attention_bias = {1, Storage::kF32, {1, 1, 1, 0}}; }, "attention_bias");
  refuses([](auto& p) { p.gate = {1, Storage::kF32, {1, 1, 16}}; }, "gate");
  refuses([](auto& p) { p.gate = p.output, p.causal = false; }, "gate");
  refuses([](auto& p) { p.seqlens.shape = {2}; }, "seqlens_k");
  refuses([](auto& p) { p.causal = false, p.local_window_size = 4; }, "local_window_size must be -1");
  refuses([](auto& p) { p.output_qk = {1, Storage::kF32, {1, 4, 1, 99}}; }, "output_qk");
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
}  // namespace sluice::kernels::gqa_test
