// Attention over a windowed cache against the reference over the whole history.
#include "kernels/attention/gqa_window.h"

#include "kernels/attention/gqa_case.h"

namespace sluice::kernels::gqa_test {
namespace {

uint32_t resident(uint32_t total, uint32_t window, uint32_t capacity) {
  if (total <= capacity) return total;
  const uint32_t block = capacity - window + 1;
  return total - block * ((total - capacity + block - 1) / block);
}

// The newest rows of a full cache (B, Nkv, rows, D) as a windowed one; `rest` behind them.
std::vector<float> windowed(const GqaReference& r, const std::vector<float>& full, uint32_t capacity,
                            const std::vector<uint32_t>& totals, float rest) {
  std::vector<float> cache(size_t{r.batch} * r.kv_heads * capacity * r.head_size, rest);
  for (uint32_t unit = 0; unit < r.batch * r.kv_heads; ++unit) {
    const uint32_t total = totals[unit / r.kv_heads], kept = resident(total, static_cast<uint32_t>(r.window), capacity);
    std::copy_n(&full[(size_t{unit} * r.capacity + total - kept) * r.head_size], size_t{kept} * r.head_size,
                &cache[size_t{unit} * capacity * r.head_size]);
  }
  return cache;
}

void check_windowed(const Case& c, uint32_t capacity, uint32_t seed) {
  SCOPED_TRACE(fmt::format("{} capacity {}", ::testing::PrintToString(c), capacity));
  if (c.storage == Storage::kF16 && !test_device().caps().f16) return;
  GqaReference r = make_reference(c, seed);
  Runner runner(test_device());
  GroupQueryAttentionProblem p = make_problem(c, r, runner);
  std::vector<uint32_t> pasts, totals;
  for (const int32_t length : r.seqlens) {
    totals.push_back(static_cast<uint32_t>(length + 1));
    pasts.push_back(totals.back() > c.seq ? totals.back() - c.seq : 0);
  }
  const std::vector<uint32_t> shape{r.batch, r.kv_heads, capacity, r.head_size};
  const Tensor past_key = runner.upload(c.storage, shape, windowed(r, r.key_cache, capacity, pasts, kNan));
  const Tensor past_value = runner.upload(c.storage, shape, windowed(r, r.value_cache, capacity, pasts, kNan));
  p.key_cache = runner.allocate(c.storage, shape);
  p.value_cache = runner.allocate(c.storage, shape);
  plan_windowed_group_query_attention(p, past_key, past_value, runner.recorder());
  runner.run();
  const auto want = r.run();
  const float tolerance = c.storage == Storage::kF16 ? 3e-3f : 2e-5f;
  expect_close(runner.read_floats(p.output), want, tolerance, "output");
  expect_close(runner.read_floats(p.key_cache), windowed(r, r.key_cache, capacity, totals, 0), tolerance, "key cache");
  expect_close(runner.read_floats(p.value_cache), windowed(r, r.value_cache, capacity, totals, 0), 0, "value cache");
}

TEST(GqaWindow, MatchesTheWholeHistory) {
  uint32_t seed = 0;
  for (const Storage storage : {Storage::kF32, Storage::kF16}) {
    for (const uint32_t capacity : {4u, 7u, 33u}) {
      for (const uint32_t seq : {1u, 3u, 31u, 70u}) {
        for (const uint32_t past : {0u, 2u, 4u, 7u, 8u, 100u}) {
          const Case c{.seq = seq,
                       .pasts = {past},
                       .kv_heads = 2,
                       .group = 2,
                       .storage = storage,
                       .rotary = 16,
                       .sink = past == 8,
                       .window = 4};
          check_windowed(c, capacity, ++seed);
        }
      }
    }
  }
}

TEST(GqaWindow, OptionsAndBatches) {
  uint32_t seed = 100;
  for (const uint32_t seq : {1u, 5u}) {
    const Case base{.seq = seq, .pasts = {3, 40, 0}, .kv_heads = 2, .group = 2, .rotary = 16, .window = 6};
    for (const uint32_t capacity : {6u, 9u, 20u}) {
      check_windowed(base, capacity, ++seed);
      Case c = base;
      c.bias = true;
      c.norm = true;
      check_windowed(c, capacity, ++seed);
      c.bias_per_head = true;
      c.packed = true;
      c.softcap = 2;
      check_windowed(c, capacity, ++seed);
    }
  }
  // A prompt that is padded on the right.
  check_windowed({.seq = 9, .kv_heads = 1, .group = 2, .rotary = 16, .window = 3, .lengths = {9, 4}}, 5, ++seed);
}

TEST(GqaWindow, RefusesWhatDoesNotAgree) {
  const Case c{.pasts = {5}, .kv_heads = 2, .group = 2, .window = 4};
  const GqaReference r = make_reference(c, 1);
  Runner runner(test_device());
  auto good = make_problem(c, r, runner);
  const Tensor past = runner.allocate(Storage::kF32, {1, 2, 6, 16});
  good.key_cache = good.value_cache = runner.allocate(Storage::kF32, {1, 2, 6, 16});
  const auto refuses = [&](auto&& change, const char* word) {
    auto p = good;
    Tensor past_key = past;
    change(p, past_key);
    Recorder recorder(test_device().caps());
    try {
      plan_windowed_group_query_attention(p, past_key, past, recorder);
      ADD_FAILURE() << "accepted: " << word;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
    }
  };
  refuses([](auto& p, Tensor&) { p.local_window_size = -1; }, "needs local_window_size");
  refuses([](auto& p, Tensor&) { p.local_window_size = 7; }, "shorter than local_window_size 7");
  refuses([](auto&, Tensor& t) { t = {}; }, "needs past_key");
  refuses([](auto&, Tensor& t) { t.shape[2] = 7; }, "keeps its shape");
  refuses([](auto& p, Tensor& t) { t.shape[2] = p.key_cache.shape[2] = 7; }, "must have one shape");
  refuses([](auto& p, Tensor&) { p.output_qk = p.query; }, "output_qk");
  refuses([](auto& p, Tensor&) { p.seqlens.shape = {2}; }, "seqlens_k");
}

}  // namespace
}  // namespace sluice::kernels::gqa_test
