#include "kernels/attention/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernels/common/runner.h"

namespace sluice::kernels {
namespace {

std::vector<float> counted(const std::vector<uint32_t>& shape) {
  std::vector<float> values(Tensor{0, Storage::kF32, shape}.elements());
  std::iota(values.begin(), values.end(), 1.0f);
  for (float& v : values) v = static_cast<float>(static_cast<int>(v) % 2000);  // exact in float16
  return values;
}

struct Case {
  uint32_t batch, heads, from_rows, to_rows, head_size;
};

constexpr Case kCases[] = {{1, 1, 1, 1, 1},   {1, 2, 3, 5, 8},    {2, 3, 5, 3, 16},
                           {2, 2, 31, 33, 6}, {1, 4, 33, 64, 80}, {1, 2, 0, 4, 8}};

TEST(KvCache, CopiesTheRowsThatBothHave) {
  for (Storage storage : {Storage::kF32, Storage::kF16}) {
    if (storage == Storage::kF16 && !test_device().caps().f16) continue;
    for (const Case& c : kCases) {
      SCOPED_TRACE(fmt::format("{} {} {} {} {}", c.batch, c.heads, c.from_rows, c.to_rows, c.head_size));
      Runner runner(test_device());
      const std::vector<uint32_t> from_shape{c.batch, c.heads, c.from_rows, c.head_size},
          to_shape{c.batch, c.heads, c.to_rows, c.head_size};
      const auto data = counted(from_shape);
      std::vector<float> want(size_t{c.batch} * c.heads * c.to_rows * c.head_size, -7);
      const Tensor from = runner.upload(storage, from_shape, data), to = runner.upload(storage, to_shape, want);
      if (c.from_rows <= c.to_rows) {
        plan_kv_copy(from, to, runner.recorder());
      } else {
        EXPECT_THROW(plan_kv_copy(from, to, runner.recorder()), Error);
        plan_kv_resize(from, to, runner.recorder());
      }
      const size_t rows = size_t{std::min(c.from_rows, c.to_rows)} * c.head_size;
      for (size_t h = 0; h < size_t{c.batch} * c.heads; ++h) {
        std::copy_n(data.begin() + h * c.from_rows * c.head_size, rows, want.begin() + h * c.to_rows * c.head_size);
      }
      runner.run();
      EXPECT_EQ(runner.read_floats(to), want);
    }
  }
}

TEST(KvCache, RefusesOtherShapes) {
  const Tensor a{1, Storage::kF32, {1, 2, 3, 8}};
  Recorder recorder(test_device().caps());
  EXPECT_THROW(plan_kv_resize(a, a, recorder), Error);
  EXPECT_THROW(plan_kv_resize(a, {2, Storage::kF32, {1, 3, 3, 8}}, recorder), Error);
  EXPECT_THROW(plan_kv_resize(a, {2, Storage::kF32, {1, 2, 3, 4}}, recorder), Error);
  EXPECT_THROW(plan_kv_resize(a, {2, Storage::kF16, {1, 2, 3, 8}}, recorder), Error);
  EXPECT_NO_THROW(plan_kv_resize(a, {2, Storage::kF32, {1, 2, 9, 8}}, recorder));
}

// Only rows of the past survive; the rest of the cache becomes 0.
TEST(KvBegin, KeepsThePastOfEachSequence) {
  for (const bool has_past : {true, false}) {
    Runner runner(test_device());
    std::vector<float> past(2 * 3 * 4 * 5);
    for (size_t i = 0; i < past.size(); ++i) past[i] = static_cast<float>(i + 1);
    KvBeginProblem p;
    if (has_past) p.past = runner.upload(Storage::kF32, {2, 3, 4, 5}, past);
    p.cache = runner.upload(Storage::kF32, {2, 3, 6, 5}, std::vector<float>(2 * 3 * 6 * 5, -1));
    p.seqlens = runner.upload({2}, std::vector<int32_t>{5, 3});
    p.new_rows = 2;
    plan_kv_begin(p, runner.recorder());
    runner.run();
    const auto got = runner.read_floats(p.cache);
    for (size_t i = 0; i < got.size(); ++i) {
      const size_t d = i % 5, row = i / 5 % 6, unit = i / 30, kept = unit < 3 ? 4 : 2;
      EXPECT_EQ(got[i], has_past && row < kept ? past[(unit * 4 + row) * 5 + d] : 0) << i;
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
