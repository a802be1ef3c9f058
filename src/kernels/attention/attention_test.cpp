// The general attention kernels against their reference.
#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "base/half.h"
#include "kernels/attention/attention_ref.h"
#include "kernels/common/runner.h"

namespace sluice::kernels {
namespace {

enum class Mask { kNone, kFloat, kBool, kShort };
enum class Padding { kNone, kLengths, kRows, kMatrix };

struct Case {
  AttentionSizes sizes;
  uint32_t spare = 0;  // rows of the caches beyond the keys: NaN
  bool head_major = false, causal = false, smooth = false, sink = false, lengths = false;
  PastOf past_of = PastOf::kNumber;
  uint32_t past = 0, window = 0, ahead = 0;
  float softcap = 0;
  Mask mask = Mask::kNone;
  std::array<bool, 3> repeat{false, false, false};  // the mask's batch, heads, rows
  Padding padding = Padding::kNone;
  int qk = -1;
  Storage storage = Storage::kF32;
};

class Random {
 public:
  Random(uint32_t seed, bool half) : engine_(seed), half_(half) {}
  std::vector<float> floats(size_t count) {
    std::normal_distribution<float> normal;
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

// (B, N, S, D) -> (B, S, N, D), or back with heads and seq exchanged.
std::vector<float> exchange(const std::vector<float>& from, uint32_t outer, uint32_t a, uint32_t b, uint32_t inner) {
  std::vector<float> to(from.size());
  for (size_t o = 0; o < outer; ++o) {
    for (size_t i = 0; i < a; ++i) {
      for (size_t j = 0; j < b; ++j)
        std::copy_n(&from[((o * a + i) * b + j) * inner], inner, &to[((o * b + j) * a + i) * inner]);
    }
  }
  return to;
}

std::vector<float> cache(Random& random, const AttentionSizes& s, uint32_t capacity, uint32_t size) {
  std::vector<float> rows = random.floats(size_t{s.batch} * s.kv_heads * capacity * size);
  for (size_t unit = 0; unit < size_t{s.batch} * s.kv_heads; ++unit)
    std::fill_n(&rows[(unit * capacity + s.keys) * size], size_t{capacity - s.keys} * size, kNan);
  return rows;
}

// Uploads the case's mask and spreads it over the reference.
Tensor make_mask(const Case& c, Random& random, Runner& runner, AttentionReference& r) {
  const AttentionSizes& s = c.sizes;
  const uint32_t columns = c.mask == Mask::kShort ? (s.keys + 1) / 2 : s.keys;
  const std::vector<uint32_t> shape{c.repeat[0] ? 1 : s.batch, c.repeat[1] ? 1 : s.heads, c.repeat[2] ? 1 : s.seq,
                                    columns};
  std::vector<float> values = random.floats(size_t{shape[0]} * shape[1] * shape[2] * columns);
  std::vector<int32_t> bits;
  for (const float v : values) bits.push_back(v > -0.3f ? 1 : 0);
  for (uint32_t b = 0; b < s.batch; ++b) {
    for (uint32_t h = 0; h < s.heads; ++h) {
      for (uint32_t row = 0; row < s.seq; ++row) {
        const size_t at = ((size_t{b % shape[0]} * shape[1] + h % shape[1]) * shape[2] + row % shape[2]) * columns;
        for (uint32_t j = 0; j < s.keys; ++j) {
          const bool hidden = j >= columns || (c.mask == Mask::kBool && bits[at + j] == 0);
          r.mask.push_back(hidden ? kNan : c.mask == Mask::kBool ? 0 : values[at + j]);
        }
      }
    }
  }
  if (c.mask != Mask::kBool) return runner.upload(c.storage, shape, values);
  Tensor mask = runner.upload(shape, bits);
  mask.storage = Storage::kU32;
  return mask;
}

Tensor make_padding(const Case& c, Random& random, Runner& runner, AttentionReference& r) {
  const AttentionSizes& s = c.sizes;
  std::vector<uint32_t> shape{s.batch};
  if (c.padding == Padding::kMatrix) shape.push_back(s.seq);
  if (c.padding != Padding::kLengths) shape.push_back(s.keys);
  size_t count = 1;
  for (const uint32_t size : shape) count *= size;
  std::vector<int32_t> values(count);
  for (int32_t& v : values) v = static_cast<int32_t>(random.below(c.padding == Padding::kLengths ? s.keys + 1 : 2));
  for (uint32_t b = 0; b < s.batch; ++b) {
    for (uint32_t row = 0; row < s.seq; ++row) {
      for (uint32_t j = 0; j < s.keys; ++j) {
        const bool kept = c.padding == Padding::kLengths ? static_cast<int32_t>(j) < values[b]
                          : c.padding == Padding::kRows  ? values[b * s.keys + j] != 0
                                                         : values[(b * s.seq + row) * s.keys + j] != 0;
        r.padding.push_back(kept ? 1 : 0);
      }
    }
  }
  return runner.upload(shape, values);
}

void expect_close(const std::vector<float>& got, const std::vector<float>& want, float tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::abs(want[i]))) << what << " [" << i << "]";
}

void check(const Case& c, uint32_t seed) {
  const AttentionSizes& s = c.sizes;
  SCOPED_TRACE(fmt::format("case {}: batch {} seq {} heads {}/{} keys {} sizes {}/{} f16 {}", seed, s.batch, s.seq,
                           s.heads, s.kv_heads, s.keys, s.key_size, s.value_size, c.storage == Storage::kF16));
  if (c.storage == Storage::kF16 && !test_device().caps().f16) return;
  Random random(seed, c.storage == Storage::kF16);
  Runner runner(test_device());
  AttentionReference r;
  r.batch = s.batch, r.seq = s.seq, r.heads = s.heads, r.kv_heads = s.kv_heads, r.keys = s.keys;
  r.capacity = s.keys + c.spare, r.key_size = s.key_size, r.value_size = s.value_size;
  r.query = random.floats(size_t{s.batch} * s.heads * s.seq * s.key_size);
  r.key = cache(random, s, r.capacity, s.key_size);
  r.value = cache(random, s, r.capacity, s.value_size);
  AttentionProblem p;
  p.sizes = s;
  const auto view = [&](uint32_t size, const std::vector<float>* values) {
    const auto shape =
        c.head_major ? std::vector{s.batch, s.heads, s.seq, size} : std::vector{s.batch, s.seq, s.heads * size};
    Tensor t = values == nullptr
                   ? runner.allocate(c.storage, shape)
                   : runner.upload(c.storage, shape,
                                   c.head_major ? *values : exchange(*values, s.batch, s.heads, s.seq, size));
    return c.head_major ? head_major(t) : token_major(t, s.heads);
  };
  p.query = view(s.key_size, &r.query);
  p.key = runner.upload(c.storage, {s.batch, s.kv_heads, r.capacity, s.key_size}, r.key);
  p.value = runner.upload(c.storage, {s.batch, s.kv_heads, r.capacity, s.value_size}, r.value);
  p.output = view(s.value_size, nullptr);
  if (c.lengths) {
    std::vector<int32_t> less_one;
    for (uint32_t b = 0; b < s.batch; ++b) r.lengths.push_back(static_cast<int32_t>(random.below(s.keys + 1)));
    for (const int32_t length : r.lengths) less_one.push_back(length - 1);
    p.lengths = runner.upload({s.batch}, less_one);
    p.length_bias = 1;
  }
  p.causal = r.causal = c.causal;
  p.past_of = c.past_of;
  r.past_of = static_cast<int>(c.past_of);
  p.past = c.past;
  r.past = c.past;
  p.window = r.window = c.window;
  p.ahead = r.ahead = c.ahead;
  p.scale = 0.3f;
  r.scale = 0.3f;
  p.softcap = c.softcap;
  r.softcap = c.softcap;
  if (c.mask != Mask::kNone) p.mask = make_mask(c, random, runner, r);
  if (c.padding != Padding::kNone) p.padding = make_padding(c, random, runner, r);
  p.padding_score = -2;
  r.padding_score = -2;
  if (c.sink) p.sink = runner.upload(c.storage, {s.heads}, r.sink = random.floats(s.heads));
  p.smooth = r.smooth = c.smooth;
  p.hidden = -77;
  r.hidden = -77;
  if (c.qk >= 0) {
    p.qk = runner.allocate(c.storage, {s.batch, s.heads, s.seq, s.keys});
    p.qk_output = static_cast<QkOutput>(c.qk);
  }
  plan_attention(p, runner.recorder());
  runner.run();
  r.run();
  const float tolerance = c.storage == Storage::kF16 ? 3e-3f : 2e-5f;
  auto got = runner.read_floats(p.output.tensor);
  if (!c.head_major) got = exchange(got, s.batch, s.seq, s.heads, s.value_size);
  expect_close(got, r.output, tolerance, "output");
  if (c.qk >= 0) expect_close(runner.read_floats(p.qk), r.qk[c.qk], tolerance, "qk");
}

TEST(Attention, Sizes) {
  uint32_t seed = 0;
  for (const Storage storage : {Storage::kF32, Storage::kF16}) {
    for (const uint32_t size : {1u, 3u, 16u, 17u, 31u, 33u}) {
      check({.sizes = {2, size, 4, 2, 40 - size, size, 41 - size}, .head_major = size % 2 == 0, .storage = storage},
            ++seed);
      check({.sizes = {1, 5, 6, 1, size, 24, 8}, .spare = 3, .causal = true, .storage = storage}, ++seed);
    }
    check({.sizes = {1, 1, 1, 1, 1, 1, 1}, .storage = storage}, ++seed);
    check({.sizes = {1, 2, 2, 2, 513, 300, 20}, .storage = storage}, ++seed);
  }
}

TEST(Attention, MasksAndOutputs) {
  uint32_t seed = 100;
  for (const Storage storage : {Storage::kF32, Storage::kF16}) {
    const AttentionSizes sizes{2, 7, 4, 2, 19, 8, 12};
    for (const Mask mask : {Mask::kFloat, Mask::kBool, Mask::kShort}) {
      for (uint32_t bits = 0; bits < 8; ++bits) {
        check({.sizes = sizes,
               .softcap = bits % 2 == 0 ? 0.5f : 0,
               .mask = mask,
               .repeat = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0},
               .qk = static_cast<int>(bits % 4),
               .storage = storage},
              ++seed);
      }
    }
    for (const Padding padding : {Padding::kLengths, Padding::kRows, Padding::kMatrix}) {
      check({.sizes = sizes, .mask = Mask::kFloat, .padding = padding, .qk = 2, .storage = storage}, ++seed);
      check({.sizes = sizes, .causal = true, .past = 12, .padding = padding, .qk = 3, .storage = storage}, ++seed);
    }
  }
}

TEST(Attention, LengthsWindowsAndSinks) {
  uint32_t seed = 200;
  for (const PastOf past_of : {PastOf::kNumber, PastOf::kLengths, PastOf::kLengthsAnySign}) {
    for (const uint32_t window : {0u, 1u, 5u}) {
      const Case base{.sizes = {3, 6, 4, 2, 21, 16, 16}, .spare = 2, .lengths = true, .past_of = past_of, .past = 9};
      for (const bool causal : {false, true}) {
        Case c = base;
        c.causal = causal;
        c.window = causal ? window : 0;
        check(c, ++seed);
        c.ahead = causal ? 3 : 0;
        c.sink = true;
        c.qk = 3;
        check(c, ++seed);
        c.sink = false;
        c.smooth = true;
        c.mask = Mask::kBool;
        check(c, ++seed);
      }
    }
  }
}

// More scores than the scratch memory may hold: the queries go in parts.
TEST(Attention, ManyQueriesGoInParts) {
  gpu::Caps caps = test_device().caps();
  caps.max_binding = 4 * 4 * 50 * 3 + 7;  // 3 tokens of 4 heads and 50 keys
  Recorder small(caps);
  AttentionProblem p;
  p.sizes = {.batch = 1, .seq = 8, .heads = 4, .kv_heads = 2, .keys = 50, .key_size = 8, .value_size = 8};
  Random random(5, false);
  Runner runner(test_device());
  AttentionReference r;
  r.seq = 8, r.heads = 4, r.kv_heads = 2, r.keys = r.capacity = 50, r.key_size = r.value_size = 8;
  r.query = random.floats(4 * 8 * 8);
  r.key = random.floats(2 * 50 * 8);
  r.value = random.floats(2 * 50 * 8);
  p.query = head_major(runner.upload(Storage::kF32, {1, 4, 8, 8}, r.query));
  p.key = runner.upload(Storage::kF32, {1, 2, 50, 8}, r.key);
  p.value = runner.upload(Storage::kF32, {1, 2, 50, 8}, r.value);
  p.output = head_major(runner.allocate(Storage::kF32, {1, 4, 8, 8}));
  p.qk = runner.allocate(Storage::kF32, {1, 4, 8, 50});
  p.qk_output = QkOutput::kWeights;
  p.causal = r.causal = true;
  p.past = 42;
  r.past = 42;
  plan_attention(p, small);
  EXPECT_EQ(small.dispatches().size(), 9u);
  for (const Tensor& t : small.scratch_tensors()) ASSERT_EQ(runner.recorder().scratch(t.storage, t.shape).slot, t.slot);
  for (const Dispatch& dispatch : small.dispatches()) runner.recorder().add(dispatch);
  runner.run();
  r.run();
  expect_close(runner.read_floats(p.output.tensor), r.output, 2e-5f, "output");
  expect_close(runner.read_floats(p.qk), r.qk[3], 2e-5f, "weights");
}

// A NaN among the keys that a row sees makes the row NaN, and no other.
TEST(Attention, NanStaysWithTheRowsThatSeeIt) {
  Runner runner(test_device());
  AttentionProblem p;
  p.sizes = {.batch = 1, .seq = 4, .heads = 1, .kv_heads = 1, .keys = 4, .key_size = 2, .value_size = 2};
  std::vector<float> key(8, 1);
  key[4] = kNan;
  p.query = head_major(runner.upload(Storage::kF32, {1, 1, 4, 2}, std::vector<float>(8, 1)));
  p.key = runner.upload(Storage::kF32, {1, 1, 4, 2}, key);
  p.value = runner.upload(Storage::kF32, {1, 1, 4, 2}, std::vector<float>(8, 1));
  p.output = head_major(runner.allocate(Storage::kF32, {1, 1, 4, 2}));
  p.causal = true;
  plan_attention(p, runner.recorder());
  runner.run();
  const auto got = runner.read_floats(p.output.tensor);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(std::isnan(got[i]), i >= 4) << i;
}

TEST(Attention, RefusesWhatDoesNotAgree) {
  AttentionProblem good;
  good.sizes = {.batch = 2, .seq = 3, .heads = 4, .kv_heads = 2, .keys = 5, .key_size = 8, .value_size = 6};
  good.query = token_major({1, Storage::kF32, {2, 3, 32}}, 4);
  good.key = {2, Storage::kF32, {2, 2, 5, 8}};
  good.value = {3, Storage::kF32, {2, 2, 5, 6}};
  good.output = token_major({4, Storage::kF32, {2, 3, 24}}, 4);
  const auto refuses = [&](auto&& change) {
    auto p = good;
    change(p);
    Recorder recorder(test_device().caps());
    EXPECT_THROW(plan_attention(p, recorder), Error);
    EXPECT_TRUE(recorder.dispatches().empty());
  };
  Recorder recorder(test_device().caps());
  EXPECT_NO_THROW(plan_attention(good, recorder));
  refuses([](auto& p) { p.sizes.kv_heads = 3; });
  refuses([](auto& p) { p.sizes.keys = 0; });
  refuses([](auto& p) { p.sizes.keys = 6; });
  refuses([](auto& p) { p.sizes.seq = 4; });
  refuses([](auto& p) { p.value.shape[3] = 7; });
  refuses([](auto& p) { p.key.storage = Storage::kF16; });
  refuses([](auto& p) { p.mask = {5, Storage::kF32, {2, 4, 3, 6}}; });
  refuses([](auto& p) { p.mask = {5, Storage::kF32, {3, 5}}; });
  refuses([](auto& p) { p.mask = {5, Storage::kI32, {2, 4, 3, 5}}; });
  refuses([](auto& p) { p.padding = {5, Storage::kI32, {3}}; });
  refuses([](auto& p) { p.lengths = {5, Storage::kI32, {3}}; });
  refuses([](auto& p) { p.past_of = PastOf::kLengths; });
  refuses([](auto& p) { p.qk = {5, Storage::kF32, {2, 4, 3, 6}}; });
  refuses([](auto& p) { p.softcap = -1; });
  refuses([](auto& p) { p.sink = {5, Storage::kF32, {3}}; });
  refuses([](auto& p) { p.sink = {5, Storage::kF32, {4}}, p.smooth = true; });
}

// Rows in every layout, behind a past, with a bias.
TEST(KvConcat, PutsNewRowsBehindThePast) {
  for (const Storage storage : {Storage::kF32, Storage::kF16}) {
    if (storage == Storage::kF16 && !test_device().caps().f16) continue;
    for (const uint32_t past : {0u, 3u}) {
      Random random(past + 1, true);
      Runner runner(test_device());
      const uint32_t batch = 2, heads = 3, rows = 5, size = 7, capacity = past + rows + 2;
      const auto packed = random.floats(size_t{batch} * rows * heads * 2 * size),
                 bias = random.floats(1 + heads * size);
      const auto old = random.floats(size_t{batch} * heads * past * size);
      KvConcatProblem p;
      const Tensor from = runner.upload(storage, {batch, rows, heads, 2, size}, packed);
      p.rows = {from, size, rows * heads * 2 * size, heads * 2 * size, 2 * size};
      p.new_rows = rows;
      p.bias = runner.upload(storage, {1 + heads * size}, bias);
      p.bias_offset = 1;
      if (past > 0) p.past = runner.upload(storage, {batch, heads, past, size}, old);
      p.cache = runner.upload(storage, {batch, heads, capacity, size},
                              std::vector<float>(size_t{batch} * heads * capacity * size, 9));
      plan_kv_concat(p, runner.recorder());
      runner.run();
      const auto got = runner.read_floats(p.cache);
      for (uint32_t i = 0; i < got.size(); ++i) {
        const uint32_t d = i % size, row = i / size % capacity, unit = i / size / capacity;
        const uint32_t b = unit / heads, h = unit % heads;
        float want = 9;
        if (row < past) {
          want = old[(unit * past + row) * size + d];
        } else if (row < past + rows) {
          want = packed[(((b * rows + row - past) * heads + h) * 2 + 1) * size + d] + bias[1 + h * size + d];
        }
        ASSERT_NEAR(got[i], want, 2e-3f * (1 + std::abs(want))) << i;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
