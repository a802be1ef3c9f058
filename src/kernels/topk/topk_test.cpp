#include "kernels/topk/topk.h"

#include <gtest/gtest.h>

#include <cmath>
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
  if (c.storage == Storage::kI32) return runner.upload(c.shape, std::vector<int32_t>(x.begin(), x.end()));
  return runner.upload(c.storage, c.shape, std::vector<float>(x.begin(), x.end()));
}

std::vector<double> read(Runner& runner, const Tensor& t) {
  if (t.storage == Storage::kI32) {
    const auto values = runner.read_ints(t);
    return {values.begin(), values.end()};
  }
  const auto values = runner.read_floats(t);
  return {values.begin(), values.end()};
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

void check(const Case& c, uint32_t seed) {
  Random random(seed);
  std::vector<double> x(Tensor{0, c.storage, c.shape}.elements());
  for (double& v : x) v = hard_value(random, c.storage);
  check_values(c, x);
}

std::vector<Storage> storages() {
  if (test_device().caps().f16) return {Storage::kF32, Storage::kF16, Storage::kI32};
  return {Storage::kF32, Storage::kI32};
}

TEST(TopK, RankKernel) {
  uint32_t seed = 0;
  for (const uint32_t n : {1u, 2u, 3u, 31u, 32u, 33u, 128u, 255u, 256u}) {
    for (const uint32_t columns : {1u, 7u, 300u}) {
      for (const Storage storage : storages()) {
        check({{columns, n}, 1, 1 + seed % n, seed % 2 == 0, storage, TopKVariant::kRank}, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(TopK, SortKernelOneBlock) {
  uint32_t seed = 100;
  for (const uint32_t n : {1u, 2u, 3u, 31u, 33u, 257u, 511u, 1024u, 2047u, 2048u}) {
    for (const Storage storage : storages()) {
      for (const uint32_t k : {1u, (n + 1) / 2, n}) {
        check({{3, n}, 1, k, seed % 2 == 0, storage, TopKVariant::kSort}, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(TopK, SortKernelManyBlocks) {
  uint32_t seed = 200;
  for (const uint32_t n : {2049u, 4095u, 4097u, 20000u}) {
    for (const uint32_t k : {1u, 50u, 1023u, 1024u}) {
      check({{2, n}, 1, k, seed % 2 == 0, Storage::kF32, TopKVariant::kSort}, ++seed);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TopK, RadixKernels) {
  uint32_t seed = 300;
  for (const uint32_t n : {1u, 255u, 257u, 2047u, 2048u, 2049u, 9000u}) {
    for (const Storage storage : storages()) {
      for (const uint32_t k : {1u, (n + 1) / 2, n}) {
        check({{2, n}, 1, k, seed % 2 == 0, storage, TopKVariant::kRadix}, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(TopK, AnyAxis) {
  uint32_t seed = 400;
  for (const auto variant : {TopKVariant::kRank, TopKVariant::kSort, TopKVariant::kRadix}) {
    for (uint32_t axis = 0; axis < 4; ++axis) {
      check({{5, 7, 3, 11}, axis, 3, axis % 2 == 0, Storage::kF32, variant}, ++seed);
      if (HasFatalFailure()) return;
    }
    check({{40}, 0, 40, true, Storage::kF32, variant}, ++seed);
    if (HasFatalFailure()) return;
  }
  check({{3000, 3}, 0, 1500, true, Storage::kF32, TopKVariant::kAuto}, ++seed);
}

TEST(TopK, LargeColumns) {
  check({{1, 201088}, 1, 50}, 500);
  check({{1, 32768}, 1, 32768}, 501);
}

TEST(TopK, AllEqual) {
  for (const auto variant : {TopKVariant::kSort, TopKVariant::kRadix}) {
    check_values({{2, 5000}, 1, 100, true, Storage::kF32, variant}, std::vector<double>(10000, 1.5));
    if (HasFatalFailure()) return;
  }
}

TEST(TopK, ChunksOfColumnsWhenPairsDoNotFit) {
  gpu::Caps caps = test_device().caps();
  caps.max_binding = 9000 * 8;
  for (const auto variant : {TopKVariant::kSort, TopKVariant::kRadix}) {
    Random random(600);
    std::vector<double> x(5 * 4000);
    for (double& v : x) v = hard_value(random, Storage::kF32);
    check_values({{5, 4000}, 1, 600, true, Storage::kF32, variant}, x, &caps);
    if (HasFatalFailure()) return;
  }
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
  p.x.storage = Storage::kU32;
  expect_refused(p, "X must be");
  p = valid;
  p.variant = TopKVariant::kRank;
  expect_refused(p, "up to 256");
  Recorder recorder(test_device().caps());
  p = valid;
  p.k = 0;
  p.values.shape = p.indices.shape = {4, 0};
  plan_topk(p, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
}

}  // namespace
}  // namespace sluice::kernels
