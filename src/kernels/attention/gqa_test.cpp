// GroupQueryAttention on the GPU against its reference: every variant, options alone and together.
#include "kernels/attention/gqa_case.h"

namespace sluice::kernels::gqa_test {
namespace {

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
      add([](Case& c) { c.gate = true; });
      add([](Case& c) { c.gate = true, c.sink = true, c.storage = Storage::kF16; });
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

// What goes through the general attention kernels.
std::vector<Case> general() {
  std::vector<Case> cases;
  for (Storage storage : {Storage::kF32, Storage::kF16}) {
    for (uint32_t seq : {1u, 5u, 33u}) {
      const Case base{.seq = seq, .pasts = {21}, .kv_heads = 2, .group = 3, .storage = storage, .rotary = 16};
      const auto add = [&](auto&& change) {
        cases.push_back(base);
        change(cases.back());
      };
      add([](Case& c) { c.both_ways = true; });
      add([](Case& c) { c.both_ways = true, c.pasts = {3, 40}, c.sink = true, c.packed = true; });
      add([](Case& c) { c.both_ways = true, c.bias = true, c.softcap = 2, c.qk = 2; });
      for (int qk : {1, 2}) {
        add([qk](Case& c) { c.qk = qk; });
        add([qk](Case& c) { c.qk = qk, c.window = 7, c.smooth = true, c.pasts = {0, 30}; });
        add([qk](Case& c) { c.qk = qk, c.sink = true, c.bias = true, c.bias_per_head = true, c.norm = true; });
      }
      for (uint32_t size : {264u, 512u}) {
        add([size](Case& c) { c.head_size = size, c.window = 9, c.norm = true; });
        add([size](Case& c) { c.head_size = size, c.rotary = 40, c.sink = true, c.group = 1, c.packed = true; });
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(General, GqaTest, ::testing::ValuesIn(general()));
INSTANTIATE_TEST_SUITE_P(Crowds, GqaTest, ::testing::ValuesIn(crowds()));
INSTANTIATE_TEST_SUITE_P(Lengths, GqaTest, ::testing::ValuesIn(lengths()));
INSTANTIATE_TEST_SUITE_P(Shapes, GqaTest, ::testing::ValuesIn(shapes()));
INSTANTIATE_TEST_SUITE_P(Options, GqaTest, ::testing::ValuesIn(options()));
INSTANTIATE_TEST_SUITE_P(Batches, GqaTest, ::testing::ValuesIn(batches()));

}  // namespace
}  // namespace sluice::kernels::gqa_test
