#include "kernels/topk/topk.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include "base/half.h"
#include "kernels/common/runner.h"
#include "kernels/topk/topk_ref.h"

namespace sluice::kernels {
namespace {

using Shape = std::vector<uint32_t>;
using Random = std::mt19937;

struct Case {
  Shape shape;
  uint32_t axis = 0, k = 1;
  bool largest = true;
  Storage storage = Storage::kF32;
  TopKVariant variant = TopKVariant::kAuto;

  std::string text() const {
    return fmt::format("shape [{}] axis {} k {} largest {} {} variant {}", fmt::join(shape, ","), axis, k, largest,
                       wgsl_type(storage), static_cast<int>(variant));
  }
};

// Few distinct values and all the special ones, so that ties and their order matter.
double hard_value(Random& random, Storage storage) {
  if (storage == Storage::kBytes) return random() % 256;
  if (storage == Storage::kUnsigned) return random() % 2 ? 0xffffffffu - random() % 3 : random();
  if (storage == Storage::kI32) {
    static const int32_t kSpecial[] = {
        0, -1, 1, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(), 1 << 24, (1 << 24) + 1};
    return random() % 2 ? kSpecial[random() % 7] : static_cast<int32_t>(random());
  }
  static const float kSpecial[] = {0.0f, -0.0f, 1.0f, -1.0f, INFINITY, -INFINITY, NAN, -NAN, 65504.0f, 6e-8f, -6e-8f};
  const float v = random() % 3 == 0 ? kSpecial[random() % 11] : std::uniform_real_distribution<float>(-9, 9)(random);
  return storage == Storage::kF16 ? half_to_float(float_to_half(v)) : v;
}

Tensor upload(Runner& runner, const Case& c, const std::vector<double>& x) {
  if (c.storage == Storage::kBytes) return runner.upload_bytes(c.shape, std::vector<uint8_t>(x.begin(), x.end()));
  if (c.storage == Storage::kF32 || c.storage == Storage::kF16)
    return runner.upload(c.storage, c.shape, std::vector<float>(x.begin(), x.end()));
  std::vector<int32_t> bits(x.size());
  for (size_t i = 0; i < x.size(); ++i) bits[i] = static_cast<int32_t>(static_cast<int64_t>(x[i]));
  Tensor t = runner.upload(c.shape, bits);
  t.storage = c.storage;
  return t;
}

std::vector<double> read(Runner& runner, const Tensor& t) {
  std::vector<double> result;
  if (t.storage == Storage::kBytes) {
    const auto words = runner.read_ints({t.slot, Storage::kU32, {ceil_div(static_cast<uint32_t>(t.elements()), 4)}});
    for (size_t i = 0; i < t.elements(); ++i)
      result.push_back((static_cast<uint32_t>(words[i / 4]) >> (8 * (i % 4))) & 255u);
  } else if (t.storage == Storage::kF32 || t.storage == Storage::kF16) {
    for (const float v : runner.read_floats(t)) result.push_back(v);
  } else {
    for (const int32_t v : runner.read_ints(t))
      result.push_back(t.storage == Storage::kUnsigned ? static_cast<uint32_t>(v) : static_cast<double>(v));
  }
  return result;
}

void check_values(const Case& c, const std::vector<double>& x, const gpu::Caps* caps = nullptr) {
  Runner runner(test_device());
  TopKProblem p;
  p.x = upload(runner, c, x);
  Shape shape = c.shape;
  shape[c.axis] = c.k;
  p.values = runner.allocate(c.storage, shape);
  p.indices = runner.allocate(Storage::kI32, shape);
  p.axis = c.axis;
  p.k = c.k;
  p.largest = c.largest;
  p.variant = c.variant;
  if (caps != nullptr) {
    // A plan for a smaller device, run on this one: its scratch slots are those that the runner's own recorder would
    // give.
    Recorder small(*caps);
    plan_topk(p, small);
    for (const Tensor& t : small.scratch_tensors())
      ASSERT_EQ(runner.recorder().scratch(t.storage, t.shape).slot, t.slot);
    for (const Dispatch& d : small.dispatches()) runner.recorder().add(d);
  } else {
    plan_topk(p, runner.recorder());
  }
  runner.run();
  const TopKResult expected = topk_reference(x, c.shape, c.axis, c.k, c.largest);
  const auto indices = runner.read_ints(p.indices);
  const auto values = read(runner, p.values);
  for (size_t i = 0; i < indices.size(); ++i) {
    ASSERT_EQ(indices[i], expected.indices[i]) << c.text() << " at " << i;
    const bool same = values[i] == expected.values[i] || (std::isnan(values[i]) && std::isnan(expected.values[i]));
    ASSERT_TRUE(same) << c.text() << " at " << i << ": " << values[i] << " for " << expected.values[i];
  }
}

// On the device as it is and, where the kernels would use subgroups, as if it had none.
void check(const Case& c, uint32_t seed) {
  Random random(seed);
  std::vector<double> x(Tensor{0, c.storage, c.shape}.elements());
  for (double& v : x) v = hard_value(random, c.storage);
  check_values(c, x);
  gpu::Caps plain = test_device().caps();
  const bool uses =
      c.variant != TopKVariant::kRank && c.variant != TopKVariant::kSort && c.variant != TopKVariant::kMerge;
  if (!uses || !plain.subgroups || testing::Test::HasFatalFailure()) return;
  plain.subgroups = false;
  check_values(c, x, &plain);
}

std::vector<Storage> storages() {
  std::vector<Storage> result = {Storage::kF32, Storage::kI32, Storage::kUnsigned, Storage::kBytes};
  if (test_device().caps().f16) result.push_back(Storage::kF16);
  return result;
}

// Every size and k for float32; of the other storages every fourth case. Which of both orders is taken changes from
// case to case.
void check_all(TopKVariant variant, const Shape& sizes, const std::function<Shape(uint32_t)>& ks, uint32_t columns) {
  uint32_t seed = 1000 * static_cast<uint32_t>(variant), turn = 0;
  for (const uint32_t n : sizes) {
    for (const Storage storage : storages()) {
      for (const uint32_t k : ks(n)) {
        if (storage != Storage::kF32 && ++turn % 4 != 0) continue;
        ++seed;
        check({{columns, n}, 1, k, seed % 2 == 0, storage, variant}, seed);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(TopK, RankKernel) {
  for (const uint32_t columns : {1u, 300u}) {
    check_all(
        TopKVariant::kRank, {1, 2, 3, 31, 32, 33, 128, 255, 256},
        [](uint32_t n) {
          return Shape{1, (n + 1) / 2, n};
        },
        columns);
  }
}

TEST(TopK, SortKernel) {
  check_all(
      TopKVariant::kSort, {1, 2, 3, 31, 33, 257, 400, 511, 1024, 2047, 2048},
      [](uint32_t n) {
        return Shape{1, (n + 1) / 2, n};
      },
      3);
}

TEST(TopK, SelectKernelOneBlock) {
  check_all(
      TopKVariant::kSelect, {1, 3, 255, 256, 257, 513, 2048, 4095, 4096},
      [](uint32_t n) {
        return Shape{1, std::min(n, 50u), std::min(n, 256u)};
      },
      3);
}

TEST(TopK, SelectKernelManyBlocks) {
  check_all(
      TopKVariant::kSelect, {2049, 4097, 20000},
      [](uint32_t) {
        return Shape{1, 50, 256, 257, 1024};
      },
      2);
}

TEST(TopK, MergeKernel) {
  check_all(
      TopKVariant::kMerge, {1, 2, 255, 1023, 1024, 1025, 2049, 5000},
      [](uint32_t n) {
        return Shape{1, (n + 1) / 2, n};
      },
      2);
  if (HasFatalFailure()) return;
  for (const uint32_t n : {32769u, 70001u}) {
    check({{1, n}, 1, n, true, Storage::kF32, TopKVariant::kMerge}, n);
    if (HasFatalFailure()) return;
    check({{1, n}, 1, 1500, false, Storage::kI32, TopKVariant::kMerge}, n);
    if (HasFatalFailure()) return;
  }
}

TEST(TopK, RadixKernels) {
  check_all(
      TopKVariant::kRadix, {1, 257, 2047, 2049, 9000},
      [](uint32_t n) {
        return Shape{1, (n + 1) / 2, n};
      },
      2);
}

TEST(TopK, AnyAxis) {
  uint32_t seed = 400;
  for (const auto variant :
       {TopKVariant::kRank, TopKVariant::kSelect, TopKVariant::kSort, TopKVariant::kMerge, TopKVariant::kRadix}) {
    for (uint32_t axis = 0; axis < 4; ++axis) {
      check({{3, 5, 3, 4}, axis, 3, axis % 2 == 0, Storage::kF32, variant}, ++seed);
      if (HasFatalFailure()) return;
      check({{3, 5, 3, 4}, axis, 2, axis % 2 == 0, Storage::kBytes, variant}, ++seed);
      if (HasFatalFailure()) return;
    }
    check({{40}, 0, 40, true, Storage::kF32, variant}, ++seed);
    if (HasFatalFailure()) return;
  }
  check({{3000, 3}, 0, 1500, true, Storage::kF32, TopKVariant::kAuto}, ++seed);
}

TEST(TopK, LargeColumns) {
  check({{1, 201088}, 1, 50}, 500);
  if (HasFatalFailure()) return;
  check({{1, 32768}, 1, 32768}, 501);
  if (HasFatalFailure()) return;
  check({{1, 150000}, 1, 150000, false}, 502);
}

TEST(TopK, ManyColumns) {
  check({{70000, 5}, 1, 2}, 510);
  if (HasFatalFailure()) return;
  check({{3, 2, 300, 11}, 2, 299}, 511);
}

TEST(TopK, AllEqual) {
  for (const auto variant : {TopKVariant::kSelect, TopKVariant::kMerge, TopKVariant::kRadix}) {
    check_values({{2, 5000}, 1, 100, true, Storage::kF32, variant}, std::vector<double>(10000, 1.5));
    if (HasFatalFailure()) return;
    check_values({{2, 5000}, 1, 100, false, Storage::kF32, variant}, std::vector<double>(10000, NAN));
    if (HasFatalFailure()) return;
  }
}

TEST(TopK, ChunksOfColumnsWhenPairsDoNotFit) {
  gpu::Caps caps = test_device().caps();
  caps.max_binding = 9000 * 8;
  for (const auto variant : {TopKVariant::kSelect, TopKVariant::kMerge, TopKVariant::kRadix}) {
    Random random(600);
    std::vector<double> x(7 * 4500);
    for (double& v : x) v = hard_value(random, Storage::kF32);
    check_values({{7, 4500}, 1, 600, true, Storage::kF32, variant}, x, &caps);
    if (HasFatalFailure()) return;
  }
}

// The choice is a function of sizes alone.
TEST(TopK, Choice) {
  const auto kernels_of = [](uint32_t n, uint32_t k) {
    Recorder recorder(test_device().caps());
    plan_topk({{1, Storage::kF32, {n}}, {2, Storage::kF32, {k}}, {3, Storage::kI32, {k}}, 0, k}, recorder);
    std::string names;
    for (const Dispatch& d : recorder.dispatches()) names += d.name.substr(5) + " ";
    return names;
  };
  EXPECT_EQ(kernels_of(128, 8), "rank ");
  EXPECT_EQ(kernels_of(400, 400), "block ");
  EXPECT_EQ(kernels_of(2000, 50), "select ");
  EXPECT_EQ(kernels_of(201088, 50), "select select ");
  EXPECT_EQ(kernels_of(1000, 50), "select ");
  EXPECT_EQ(kernels_of(4000, 1000), "block merge ");
  EXPECT_EQ(kernels_of(201088, 300), "select select block ");
  EXPECT_EQ(kernels_of(32768, 32768), "block merge ");
  EXPECT_EQ(kernels_of(65536, 1025), "block merge ");
  const std::string pass = "radix_count radix_scan radix_scatter ";
  EXPECT_EQ(kernels_of(65537, 1025), pass + pass + pass + pass);
}

void expect_refused(const TopKProblem& p, const std::string& part) {
  Recorder recorder(test_device().caps());
  try {
    plan_topk(p, recorder);
    FAIL() << "accepted; expected a refusal with: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(TopK, Refusals) {
  TopKProblem valid;
  valid.x = {1, Storage::kF32, {4, 3000}};
  valid.values = {2, Storage::kF32, {4, 10}};
  valid.indices = {3, Storage::kI32, {4, 10}};
  valid.axis = 1;
  valid.k = 10;
  auto p = valid;
  p.axis = 2;
  expect_refused(p, "axis 2");
  p = valid;
  p.k = 3001;
  expect_refused(p, "k is 3001");
  p = valid;
  p.k = 9;
  expect_refused(p, "must hold 36");
  p = valid;
  p.values.storage = Storage::kF16;
  expect_refused(p, "type of X");
  p = valid;
  p.indices.storage = Storage::kU32;
  expect_refused(p, "indices must be i32");
  p = valid;
  p.x.storage = p.values.storage = Storage::kU32;
  expect_refused(p, "not bool");
  p = valid;
  p.variant = TopKVariant::kRank;
  expect_refused(p, "up to 256");
  p.variant = TopKVariant::kSort;
  expect_refused(p, "columns up to 2048, got 3000");
  p = valid;
  p.x.shape = {1, 140000};
  p.values.shape = p.indices.shape = {1, 1025};
  p.k = 1025;
  p.variant = TopKVariant::kMerge;
  expect_refused(p, "columns up to 131072, got 140000");
  p.variant = TopKVariant::kSelect;
  expect_refused(p, "k up to 1024, got 1025");
  p = valid;
  p.x.shape = {70000, 70000};
  expect_refused(p, "beyond 2^32 - 1");
  Recorder recorder(test_device().caps());
  p = valid;
  p.k = 0;
  p.values.shape = p.indices.shape = {4, 0};
  plan_topk(p, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
}

}  // namespace
}  // namespace sluice::kernels
