// The shared .wgsl includes against their definitions in C++.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "base/half.h"
#include "kernels/common/runner.h"

namespace sluice::kernels {
namespace {

struct alignas(16) ReduceParams {
  uint32_t count = 0, pad0 = 0, pad1 = 0, pad2 = 0;
};

struct ReduceCase {
  uint32_t workgroup, subgroups;
};

void check_reduce(const ReduceCase& c, uint32_t count) {
  gpu::Device& device = test_device();
  Runner runner(device);
  std::mt19937 random(count + c.workgroup);
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(static_cast<int>(random() % 2001) - 1000);
  const uint32_t groups = ceil_div(count, c.workgroup);
  const Tensor input = runner.upload(Storage::kF32, {count}, x);
  const Tensor sums = runner.allocate(Storage::kF32, {groups}), maxima = runner.allocate(Storage::kF32, {groups});
  Dispatch dispatch;
  dispatch.name = "reduce";
  dispatch.shader = {"kernels/common/testdata/reduce.wgsl",
                     {{"WG", c.workgroup}, {"SUBGROUPS", c.subgroups}, {"SG", device.caps().subgroup_max}}};
  dispatch.operands = {in(input), out(sums), out(maxima)};
  dispatch.set_uniforms(ReduceParams{count});
  gpu::Caps narrow = device.caps();
  narrow.max_workgroups = 4;  // folds into three dimensions, of different sizes
  dispatch.groups = fold_groups(groups, narrow);
  runner.recorder().add(std::move(dispatch));
  runner.run();
  const auto sum = runner.read_floats(sums), largest = runner.read_floats(maxima);
  for (uint32_t g = 0; g < groups; ++g) {
    const auto begin = x.begin() + g * c.workgroup, end = x.begin() + std::min(count, (g + 1) * c.workgroup);
    EXPECT_EQ(sum[g], std::accumulate(begin, end, 0.0f)) << "group " << g << " of " << groups << ", WG " << c.workgroup;
    EXPECT_EQ(largest[g], *std::max_element(begin, end)) << "group " << g << " of " << groups << ", WG " << c.workgroup;
  }
}

TEST(Reduce, SumsAndMaximaOfWorkgroups) {
  for (const uint32_t workgroup : {32u, 64u, 128u, 256u}) {
    for (const uint32_t count : {1u, 31u, 257u, 1024u, 3000u})
      check_reduce({workgroup, 0}, std::min(count, workgroup * 20));
  }
}

TEST(Reduce, WithSubgroups) {
  const gpu::Caps& caps = test_device().caps();
  if (!caps.subgroups || caps.subgroup_min != caps.subgroup_max) GTEST_SKIP() << "no fixed subgroup size";
  for (const uint32_t workgroup : {32u, 64u, 128u, 256u}) {
    if (workgroup < caps.subgroup_max) continue;
    for (const uint32_t count : {1u, 31u, 257u, 1024u, 3000u})
      check_reduce({workgroup, 1}, std::min(count, workgroup * 20));
  }
}

TEST(Unpack, EveryWidth) {
  Runner runner(test_device());
  std::mt19937 random(7);
  std::vector<int32_t> words(200);
  for (int32_t& word : words) word = static_cast<int32_t>(random());
  const auto count = static_cast<uint32_t>(words.size());
  const Tensor input = runner.upload({count}, words), result = runner.allocate(Storage::kF32, {count, 48});
  Dispatch dispatch;
  dispatch.name = "unpack";
  dispatch.shader = {"kernels/common/testdata/unpack.wgsl", {}};
  dispatch.operands = {in(input), out(result)};
  dispatch.groups = {count, 1, 1};
  runner.recorder().add(std::move(dispatch));
  runner.run();
  const auto actual = runner.read_floats(result);
  for (uint32_t w = 0; w < count; ++w) {
    const auto word = static_cast<uint32_t>(words[w]);
    std::vector<float> expected;
    const auto take = [&](uint32_t bits) {
      for (uint32_t i = 0; i < 32 / bits; ++i)
        expected.push_back(static_cast<float>((word >> (i * bits)) & ((1u << bits) - 1)));
    };
    take(8);
    for (uint32_t i = 0; i < 4; ++i) expected.push_back(static_cast<float>(static_cast<int8_t>(word >> (8 * i))));
    take(4);
    take(2);
    expected.resize(48);
    EXPECT_EQ(std::vector<float>(actual.begin() + w * 48, actual.begin() + (w + 1) * 48), expected) << std::hex << word;
  }
}

struct FloatBits {
  std::vector<int32_t> keys, back, nan, halves;
};

// What testdata/float_bits.wgsl makes of floats.
FloatBits float_bits(const std::vector<float>& floats) {
  std::vector<int32_t> bits;
  for (const float v : floats) bits.push_back(std::bit_cast<int32_t>(v));
  const auto count = static_cast<uint32_t>(bits.size());
  Runner runner(test_device());
  std::array<Tensor, 4> y;
  for (Tensor& t : y) t = runner.allocate(Storage::kU32, {count});
  Dispatch dispatch;
  dispatch.name = "float_bits";
  dispatch.shader = {"kernels/common/testdata/float_bits.wgsl", {}};
  dispatch.operands = {in(runner.upload({count}, bits)), out(y[0]), out(y[1]), out(y[2]), out(y[3])};
  dispatch.groups = {count, 1, 1};
  runner.recorder().add(std::move(dispatch));
  runner.run();
  return {runner.read_ints(y[0]), runner.read_ints(y[1]), runner.read_ints(y[2]), runner.read_ints(y[3])};
}

TEST(FloatBits, KeysSortLikeNumbersWithNanLast) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> sorted = {-kInf, -3.0e38f, -1.5f,   -1e-40f, -0.0f, 0.0f, 1e-40f,
                                     1e-3f, 1.5f,     3.0e38f, kInf,    kNan,  -kNan};
  const FloatBits r = float_bits(sorted);
  for (size_t i = 0; i < sorted.size(); ++i) {
    const bool expect_nan = std::isnan(sorted[i]);
    EXPECT_EQ(r.nan[i], expect_nan ? 1 : 0) << i;
    if (expect_nan) {
      EXPECT_EQ(static_cast<uint32_t>(r.keys[i]), 0xffffffffu);
      EXPECT_TRUE(std::isnan(std::bit_cast<float>(r.back[i])));
    } else {
      EXPECT_EQ(r.back[i], std::bit_cast<int32_t>(sorted[i])) << i;
      EXPECT_TRUE(i == 0 || static_cast<uint32_t>(r.keys[i - 1]) < static_cast<uint32_t>(r.keys[i])) << i;
    }
  }
}

TEST(FloatBits, NearestHalf) {
  std::vector<float> values = {0.0f,  -0.0f, 65504,   65519.9f, 65520,  -65536,
                               1e30f, 6e-8f, 2.9e-8f, 3.1e-8f,  -9e-8f, 6.1e-5f};
  for (const float special :
       {std::numeric_limits<float>::infinity(), std::nanf(""), std::numeric_limits<float>::denorm_min()})
    values.insert(values.end(), {special, -special});
  for (int i = 0; i < 64; ++i) values.push_back(1 + static_cast<float>(i) / 4096);  // a quarter of them between two
  std::mt19937 random(9);
  for (int i = 0; i < 2000; ++i) {
    values.push_back(
        std::ldexp(std::uniform_real_distribution<float>(-1, 1)(random), static_cast<int>(random() % 44) - 26));
  }
  const FloatBits result = float_bits(values);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto actual = std::bit_cast<float>(result.halves[i]);
    const float expected = half_to_float(float_to_half(values[i]));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(actual)) << i;
    } else {
      EXPECT_EQ(actual, expected) << values[i];
    }
  }
}

TEST(Runner, RefusesWrongCounts) {
  Runner runner(test_device());
  EXPECT_THROW(runner.upload(Storage::kF32, {3}, {1, 2}), Error);
  Dispatch dispatch;
  dispatch.shader = {"kernels/common/testdata/unpack.wgsl", {}};
  dispatch.operands = {{77, gpu::Access::kRead}, {78, gpu::Access::kReadWrite}};
  runner.recorder().add(std::move(dispatch));
  EXPECT_THROW(runner.run(), Error);
}

TEST(Runner, KeepsHalvesAndTimesDispatches) {
  Runner runner(test_device());
  if (test_device().caps().f16) {
    const Tensor half = runner.upload(Storage::kF16, {3}, {1.0f, 65504.0f, 0.1f});
    EXPECT_EQ(runner.read_floats(half), (std::vector<float>{1.0f, 65504.0f, 0.0999755859375f}));
  }
  const Tensor words = runner.upload({64}, std::vector<int32_t>(64)), result = runner.allocate(Storage::kF32, {64, 48});
  Dispatch dispatch;
  dispatch.shader = {"kernels/common/testdata/unpack.wgsl", {}};
  dispatch.operands = {in(words), out(result)};
  dispatch.groups = {64, 1, 1};
  runner.recorder().add(std::move(dispatch));
  EXPECT_GT(runner.time(std::chrono::milliseconds(0), 3), 0);
}

}  // namespace
}  // namespace sluice::kernels
