// The variants of GroupQueryAttention's kernels, forced: every number of rows, with and without subgroups, with norm,
// rotation and append inside or before, at the edges of tiles and splits.
#include "kernels/attention/gqa_case.h"
#include "kernels/attention/gqa_plan.h"
#include "kernels/common/matrices.h"
#include "kernels/common/matrices_fixture.h"

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

// What splits leave can be bound, if need be because there are fewer of them.
TEST(GqaVariants, SplitsHaveSumsWithinTheBindingLimit) {
  for (const uint32_t seq : {1u, 80u}) {
    const Case c{.seq = seq, .pasts = {3000}, .head_size = 64, .kv_heads = 2, .group = 2};
    Runner runner(test_device());
    const GroupQueryAttentionProblem p = make_problem(c, make_reference(c, 4), runner);
    const auto splits = [&](uint64_t splits_bound) {
      gpu::Caps caps = test_device().caps();
      const uint64_t bytes = uint64_t{seq} * 4 * 64 * 4;  // of a split
      caps.max_binding = splits_bound * bytes + bytes / 2;
      return gqa::choose(p, gqa::check(p), caps).splits;
    };
    ASSERT_GT(splits(64), 3u);
    EXPECT_EQ(splits(3), 3u);
    EXPECT_EQ(splits(0), 1u);
  }
}

size_t dispatches_of(const Case& c, uint32_t expected_keys) {
  const GqaReference r = make_reference(c, 2);
  Runner runner(test_device());
  GroupQueryAttentionProblem p = make_problem(c, r, runner);
  p.expected_keys = expected_keys;
  plan_group_query_attention(p, runner.recorder());
  return runner.recorder().dispatches().size();
}

// One new token that sees few keys, because of a window or because no more are expected, is one dispatch.
TEST(GqaVariants, FewKeysNeedOneDispatch) {
  if (!binds_all()) GTEST_SKIP() << "too few buffers";
  Case c{.pasts = {200},
         .head_size = 64,
         .kv_heads = 8,
         .group = 8,
         .spare = 4000,
         .packed = true,
         .rotary = 64,
         .norm = true,
         .sink = true,
         .gate = true};
  EXPECT_EQ(dispatches_of(c, 0), 2u);
  EXPECT_EQ(dispatches_of(c, 4000), 2u);
  EXPECT_EQ(dispatches_of(c, 256), 1u);
  c.window = 128;
  EXPECT_EQ(dispatches_of(c, 0), 1u);
}

// Fewer keys were expected than there are: as right as otherwise.
TEST(GqaVariants, MoreKeysThanExpected) {
  const Case c{.pasts = {700}, .head_size = 64, .kv_heads = 2, .group = 4, .rotary = 64, .sink = true};
  for (const uint32_t expected : {1u, 64u, 600u}) {
    check_plan(c, 44, [&](GroupQueryAttentionProblem p, Recorder& recorder) {
      p.expected_keys = expected;
      plan_group_query_attention(p, recorder);
    });
  }
}

void check_prefill(const Case& c, gqa::Kernel kernel, uint32_t splits) {
  SCOPED_TRACE(fmt::format("kernel {} splits {}", static_cast<int>(kernel), splits));
  check_plan(c, 33, [&](const GroupQueryAttentionProblem& p, Recorder& recorder) {
    gqa::Variant variant = gqa::prefill_variant(kernel, recorder.caps());
    variant.splits = splits;
    gqa::plan_attend(p, gqa::check(p), variant, recorder);
  });
}

// Blocks of 64 rows and tiles of 32 keys, at their edges, with every option.
void check_prefills(gqa::Kernel kernel, const std::vector<uint32_t>& head_sizes, Storage storage) {
  for (const uint32_t head_size : head_sizes) {
    for (const uint32_t seq : {31u, 32u, 65u}) {
      const Case c{.seq = seq, .pasts = {seq % 2}, .head_size = head_size, .group = 2, .storage = storage};
      check_prefill(c, kernel, 1);
      check_prefill(c, kernel, 3);
    }
  }
  const Case base{.seq = 40, .pasts = {90}, .head_size = 64, .kv_heads = 2, .group = 3, .storage = storage};
  const auto check_with = [&](auto&& change) {
    Case c = base;
    change(c);
    check_prefill(c, kernel, 1);
    check_prefill(c, kernel, 2);
  };
  check_with([](Case& c) { c.bias = true, c.bias_per_head = true, c.softcap = 3; });
  check_with([](Case& c) { c.window = 1, c.sink = true; });
  check_with([](Case& c) { c.window = 33, c.smooth = true, c.gate = true; });
  check_with([](Case& c) { c.packed = true, c.norm = true, c.rotary = 64, c.pasts = {0, 300, 64}; });
  check_with([](Case& c) { c.spare = 0, c.scale = 4; });  // maxima that rise often and far
  check_with([](Case& c) { c.lengths = {40, 7}; });
}

TEST(GqaVariants, Prefill) {
  check_prefills(gqa::Kernel::kPrefill, {24, 64, 256}, Storage::kF32);
  if (test_device().caps().f16) check_prefills(gqa::Kernel::kPrefill, {80, 128}, Storage::kF16);
}

TEST(GqaVariants, PrefillWithMatrices) {
  if (!has_subgroup_matrices(test_device().caps())) GTEST_SKIP() << "the device has no subgroup matrices of f16";
  check_prefills(gqa::Kernel::kPrefillMatrices, {32, 64, 96, 128}, Storage::kF16);
}

GroupQueryAttentionProblem prompt(uint32_t head_size, Storage storage) {
  GroupQueryAttentionProblem p;
  p.query = {1, storage, {1, 100, 2 * head_size}};
  p.key = {2, storage, {1, 100, head_size}};
  p.value = {3, storage, {1, 100, head_size}};
  p.key_cache = {4, storage, {1, 1, 128, head_size}};
  p.value_cache = {5, storage, {1, 1, 128, head_size}};
  p.seqlens = {6, Storage::kI32, {1}};
  p.output = {7, storage, {1, 100, 2 * head_size}};
  p.num_heads = 2;
  p.kv_num_heads = 1;
  return p;
}

std::string kernel_of(const GroupQueryAttentionProblem& p, const gpu::Caps& caps) {
  Recorder recorder(caps);
  plan_group_query_attention(p, recorder);
  for (const Dispatch& dispatch : recorder.dispatches()) {
    if (dispatch.name.starts_with("gqa/prefill")) return dispatch.name;
  }
  return "";
}

TEST(GqaVariants, WhatTakesMatrices) {
  gpu::Caps caps = caps_with_matrices();
  for (const uint32_t head_size : {32u, 64u, 96u, 128u}) {
    EXPECT_EQ(kernel_of(prompt(head_size, Storage::kF16), caps), "gqa/prefill_matrices") << head_size;
    EXPECT_EQ(kernel_of(prompt(head_size, Storage::kF32), caps), "gqa/prefill") << head_size;
  }
  for (const uint32_t head_size : {16u, 80u, 160u, 256u})
    EXPECT_EQ(kernel_of(prompt(head_size, Storage::kF16), caps), "gqa/prefill") << head_size;
  caps.subgroup_min = caps.subgroup_max = 8;  // half a row's threads would be missing
  EXPECT_EQ(kernel_of(prompt(64, Storage::kF16), caps), "gqa/prefill");
  caps = caps_with_matrices();
  caps.max_workgroup_storage = 32768;
  EXPECT_EQ(kernel_of(prompt(64, Storage::kF16), caps), "gqa/prefill_matrices");
  EXPECT_EQ(kernel_of(prompt(128, Storage::kF16), caps), "gqa/prefill");
}

// The device's compiler sees a text only on a device that has the feature; SLUICE_DUMP_WGSL keeps these for Tint.
TEST(GqaVariants, TextsWithMatricesExpand) {
  gpu::Caps caps = caps_with_matrices();
  for (const uint32_t subgroup : {16u, 32u, 64u}) {
    caps.subgroup_min = caps.subgroup_max = subgroup;
    for (const uint32_t head_size : {32u, 64u, 96u, 128u}) {
      for (const uint32_t splits : {1u, 2u}) {
        GroupQueryAttentionProblem p = prompt(head_size, Storage::kF16);
        p.softcap = splits == 1 ? 0.0f : 2.0f;
        gqa::Variant variant = gqa::prefill_variant(gqa::Kernel::kPrefillMatrices, caps);
        variant.splits = splits;
        Recorder recorder(caps);
        gqa::plan_attend(p, gqa::check(p), variant, recorder);
        const shader::Shader& shader = recorder.dispatches()[1].shader;  // after the append
        shader::dump(shader);
        EXPECT_TRUE(shader::is_for_tint_only(shader::expand(shader, {})));
      }
    }
  }
}

}  // namespace
}  // namespace sluice::kernels::gqa_test
