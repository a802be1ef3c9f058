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

}  // namespace
}  // namespace sluice::kernels
