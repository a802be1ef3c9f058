// The variants of GroupQueryAttention's kernels, forced: every number of rows, with and without subgroups, with norm,
// rotation and append inside or before, at the edges of tiles and splits.
#include "kernels/attention/gqa_case.h"
#include "kernels/attention/gqa_plan.h"

namespace sluice::kernels::gqa_test {
namespace {

constexpr uint32_t kMostBuffers = 12;  // of a new token with norms, rotation, sinks, bias and gate
bool binds_all() { return test_device().caps().max_storage_buffers >= kMostBuffers; }

struct Forced {
  uint32_t rows = 4, splits = 1;
  bool turns = false, subgroups = true;
};

// Where the device binds too few buffers, the planner never has the kernel do all at once.
void check_forced(const Case& c, const Forced& forced) {
  if (forced.turns && !binds_all()) return;
  SCOPED_TRACE(fmt::format("rows {} splits {} turns {} subgroups {}", forced.rows, forced.splits, forced.turns,
                           forced.subgroups));
  check_plan(c, 21, [&](const GroupQueryAttentionProblem& p, Recorder& recorder) {
    gpu::Caps caps = recorder.caps();
    caps.subgroups = caps.subgroups && forced.subgroups;
    const gqa::Sizes sizes = gqa::check(p);
    gqa::Variant variant = gqa::decode_variant(sizes, forced.rows, forced.turns, caps);
    variant.splits = forced.splits;
    gqa::plan_attend(p, sizes, variant, recorder);
  });
}

TEST(GqaVariants, RowsAndSubgroups) {
  for (const bool subgroups : {true, false}) {
    for (const uint32_t rows : {1u, 2u, 4u}) {
      const Case c{.pasts = {75}, .head_size = 32, .kv_heads = 2, .group = 5, .rotary = 32, .norm = true, .gate = true};
      check_forced(c, {rows, 1, true, subgroups});
      check_forced(c, {rows, 3, true, subgroups});
      check_forced(c, {rows, 3, false, subgroups});
    }
  }
}

TEST(GqaVariants, HeadSizes) {
  for (const uint32_t head_size : {8u, 24u, 80u, 128u, 256u}) {
    for (const Storage storage : {Storage::kF32, Storage::kF16}) {
      Case c{.pasts = {40}, .head_size = head_size, .group = 2, .storage = storage, .rotary = 8, .sink = true};
      check_forced(c, {2, 2, true, true});
      check_forced(c, {2, 1, true, false});
    }
  }
}

// A tile of these heads has 64 keys: splits that are empty, full, and short by one.
TEST(GqaVariants, EdgesOfSplits) {
  for (const uint32_t past : {0u, 1u, 63u, 64u, 65u, 127u, 128u, 129u, 255u, 256u, 257u}) {
    for (const bool turns : {true, false}) {
      Case c{.pasts = {past}, .head_size = 64, .group = 4, .spare = 400, .rotary = 64, .sink = true};
      check_forced(c, {4, 4, turns, true});
      c.window = 64;
      check_forced(c, {4, 4, turns, true});
    }
  }
}

TEST(GqaVariants, ALongContextInManySplits) {
  for (const uint32_t past : {8190u, 8191u}) {
    const Case c{.pasts = {past},
                 .head_size = 64,
                 .group = 8,
                 .spare = 8192 - past,
                 .storage = Storage::kF16,
                 .packed = true,
                 .rotary = 64,
                 .sink = true};
    check_forced(c, {4, 64, true, true});
  }
}

TEST(GqaVariants, OptionsOfTheNewToken) {
  const Case base{.pasts = {90}, .kv_heads = 2, .group = 3, .rotary = 16};
  for (const uint32_t splits : {1u, 2u}) {
    const auto forced = [&](auto&& change) {
      Case c = base;
      change(c);
      check_forced(c, {2, splits, true, true});
    };
    forced([](Case& c) { c.bias = true, c.bias_per_head = true, c.softcap = 3; });
    forced([](Case& c) { c.window = 1; });
    forced([](Case& c) { c.window = 17, c.smooth = true; });
    forced([](Case& c) { c.positions = true, c.interleaved = true, c.rotary = 12; });
    forced([](Case& c) { c.packed = true, c.norm = true, c.pasts = {0, 300, 64}; });
    forced([](Case& c) { c.rotary = 0, c.spare = 0; });
  }
}

// Lengths that no caller may give stay inside the cache: nothing but the output is written.
TEST(GqaVariants, LengthsBeyondTheCacheWriteNothing) {
  for (const int32_t length : {-5, 40, 1 << 30, 2147483647}) {
    const Case c{.pasts = {20}, .group = 2, .rotary = 16};
    GqaReference r = make_reference(c, 9);
    r.seqlens = {length};
    if (length < 0) r.seqlens = {-1};
    Runner runner(test_device());
    const auto p = make_problem(c, r, runner);
    plan_group_query_attention(p, runner.recorder());
    runner.run();
    if (length > 0) expect_close(runner.read_floats(p.key_cache), r.key_cache, 0, "key cache");
    EXPECT_EQ(runner.read_floats(p.output).size(), r.query.size());
  }
}

// One new token of the models whose attention is narrow is one dispatch.
TEST(GqaVariants, FewKeysNeedOneDispatch) {
  if (!binds_all()) GTEST_SKIP() << "too few buffers";
  const Case c{.pasts = {200},
               .head_size = 64,
               .kv_heads = 8,
               .group = 8,
               .spare = 800,
               .packed = true,
               .rotary = 64,
               .norm = true,
               .sink = true,
               .gate = true,
               .window = 128};
  const GqaReference r = make_reference(c, 2);
  Runner runner(test_device());
  plan_group_query_attention(make_problem(c, r, runner), runner.recorder());
  EXPECT_EQ(runner.recorder().dispatches().size(), 1u);
}

}  // namespace
}  // namespace sluice::kernels::gqa_test
