// Lengths and positions of any value: no kernel may follow one out of a cache, a table or a bias.
#include "kernels/attention/gqa_case.h"
#include "kernels/attention/gqa_window.h"
#include "kernels/attention/kv_cache.h"
#include "kernels/attention/rotary.h"
#include "kernels/common/watched_device.h"

namespace sluice::kernels::gqa_test {
namespace {

constexpr uint32_t kBatch = 9;  // sequences of one dispatch, each with a length of its own

Case wild_case(uint32_t seq, uint32_t past) {
  return {.seq = seq, .pasts = std::vector<uint32_t>(kBatch, past), .head_size = 32, .kv_heads = 2, .group = 3};
}

// Runs what `plan` makes of a case whose lengths and positions are wild.
template <class Plan>
void run_wild(const Case& c, const Plan& plan) {
  SCOPED_TRACE(::testing::PrintToString(c));
  std::mt19937 random(c.seq);
  GqaReference r = make_reference(c, 1);
  const auto rows = static_cast<int32_t>(r.capacity);
  r.seqlens = wild_integers(random, r.seqlens.size(), rows);
  r.positions = wild_integers(random, r.positions.size(), rows);
  Runner runner(watched_device());
  auto p = make_problem(c, r, runner);
  plan(p, runner);
  runner.run();
  EXPECT_NO_THROW(runner.read_floats(p.output));
}

void attend(const GroupQueryAttentionProblem& p, Runner& runner) { plan_group_query_attention(p, runner.recorder()); }

// Of one token, with its turn and with splits, of few and of many; with all that is read by position, and without.
TEST(WildLengths, EveryKernelOfGqa) {
  run_wild(wild_case(1, 700), attend);
  run_wild(wild_case(3, 20), attend);
  for (const uint32_t seq : {1u, 40u}) {
    Case c = wild_case(seq, 20);
    c.rotary = 16;
    c.positions = c.norm = c.bias = true;
    c.window = 5;
    run_wild(c, attend);
  }
}

TEST(WildLengths, GeneralAttention) {
  Case c = wild_case(3, 20);
  c.bias = true;
  c.qk = 1;
  run_wild(c, attend);
}

TEST(WildLengths, WindowedCaches) {
  for (const uint32_t seq : {1u, 7u}) {
    Case c = wild_case(seq, 30);
    c.window = 6;
    c.rotary = 16;
    c.bias = true;
    run_wild(c, [](GroupQueryAttentionProblem& p, Runner& runner) {
      const Tensor& cache = p.key_cache;
      const Tensor past_key = runner.allocate(cache.storage, cache.shape);
      const Tensor past_value = runner.allocate(cache.storage, cache.shape);
      plan_windowed_group_query_attention(p, past_key, past_value, runner.recorder());
    });
  }
}

TEST(WildLengths, BeginningOfACache) {
  std::mt19937 random(3);
  Runner runner(watched_device());
  const Tensor cache = runner.allocate(Storage::kF32, {kBatch, 2, 30, 8});
  plan_kv_begin({.past = runner.allocate(Storage::kF32, {kBatch, 2, 20, 8}),
                 .cache = cache,
                 .seqlens = runner.upload({kBatch}, wild_integers(random, kBatch, 30)),
                 .new_rows = 3},
                runner.recorder());
  runner.run();
  EXPECT_NO_THROW(runner.read_floats(cache));
}

TEST(WildLengths, PositionsOfRotary) {
  std::mt19937 random(4);
  for (const uint32_t ids : {1u, 60u}) {
    Runner runner(watched_device());
    RotaryEmbeddingProblem p;
    p.x = runner.allocate(Storage::kF32, {1, 60, 64});
    p.y = runner.allocate(Storage::kF32, {1, 60, 64});
    p.cos = p.sin = runner.allocate(Storage::kF32, {50, 8});
    p.num_heads = 2;
    p.position_ids = runner.upload({ids}, wild_integers(random, ids, 50));
    plan_rotary_embedding(p, runner.recorder());
    runner.run();
    EXPECT_NO_THROW(runner.read_floats(p.y));
  }
}

}  // namespace
}  // namespace sluice::kernels::gqa_test
