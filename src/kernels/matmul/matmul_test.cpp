#include "kernels/matmul/matmul.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/matmul/matmul_ref.h"
#include "kernels/matmul/nbits_fixture.h"

namespace sluice::kernels {
namespace {

using Shape = std::vector<uint32_t>;

struct Case {
  Shape a, b, c, y;  // c empty with has_c false
  bool has_c = false, trans_a = false, trans_b = false;
  float alpha = 1, beta = 1;
  Storage a_storage = Storage::kF32, b_storage = Storage::kF32;
  MatMulVariant variant = MatMulVariant::kAuto;
  bool norm = false;

  std::string text() const {
    return fmt::format("a [{}] b [{}] c [{}] y [{}] trans {} {} alpha {} beta {} {} {} variant {} norm {}",
                       fmt::join(a, ","), fmt::join(b, ","), has_c ? fmt::format("{}", fmt::join(c, ",")) : "none",
                       fmt::join(y, ","), trans_a, trans_b, alpha, beta, wgsl_type(a_storage), wgsl_type(b_storage),
                       static_cast<int>(variant), norm);
  }
};

HostTensor random_tensor(Random& random, const Shape& shape, Storage storage) {
  return {shape, random_floats(random, Tensor{0, storage, shape}.elements(), storage)};
}

void check_on(gpu::Device& device, const Case& c, uint32_t seed) {
  Random random(seed);
  HostTensor a = random_tensor(random, c.a, c.a_storage);
  const HostTensor b = random_tensor(random, c.b, c.b_storage);
  const HostTensor add = c.has_c ? random_tensor(random, c.c, c.b_storage) : HostTensor{};
  Runner runner(device);
  MatMulProblem p;
  p.a = runner.upload(c.a_storage, a.shape, a.values);
  if (c.norm) {
    const auto gamma = random_floats(random, a.values.size(), c.b_storage);
    p.norm_weight = runner.upload(c.b_storage, {p.a.last()}, gamma);
    p.norm_epsilon = 0.01f;
    a.values = rms_normalised(a.values, gamma, p.norm_epsilon);
  }
  HostTensor y{c.y, {}};
  matmul_reference(a, b, add, c.trans_a, c.trans_b, c.alpha, c.beta, y);
  p.b = runner.upload(c.b_storage, b.shape, b.values);
  if (c.has_c) p.c = runner.upload(c.b_storage, add.shape, add.values);
  p.y = runner.allocate(c.a_storage, y.shape);
  p.trans_a = c.trans_a;
  p.trans_b = c.trans_b;
  p.alpha = c.alpha;
  p.beta = c.beta;
  p.variant = c.variant;
  plan_matmul(p, runner.recorder());
  runner.run();
  expect_close(runner.read_floats(p.y), y.values, c.a_storage, c.text());
}

// Products of few rows on a device without subgroups, too.
void check(const Case& c, uint32_t seed) {
  for (gpu::Device* device : test_devices()) {
    if (device == &test_device() || c.y[c.y.size() - 2] <= 8) check_on(*device, c, seed);
  }
}

TEST(MatMul, SizesAndTransposes) {
  uint32_t seed = 0;
  for (const uint32_t m : {1u, 3u, 8u, 31u, 33u, 70u}) {
    for (const uint32_t n : {1u, 31u, 32u, 65u}) {
      for (const uint32_t k : {1u, 15u, 64u, 300u}) {
        for (const bool ta : {false, true}) {
          const bool tb = seed % 2 != 0;
          Case c{ta ? Shape{k, m} : Shape{m, k}, tb ? Shape{n, k} : Shape{k, n}, {n}, {m, n}};
          c.trans_a = ta;
          c.trans_b = tb;
          c.has_c = seed % 3 == 0;
          c.alpha = 0.5f;
          c.beta = 2;
          check(c, ++seed);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(MatMul, Broadcasting) {
  const std::vector<Case> cases = {
      {{2, 3, 5, 7}, {7, 4}, {}, {2, 3, 5, 4}},
      {{5, 7}, {2, 3, 7, 4}, {}, {2, 3, 5, 4}},
      {{2, 1, 5, 7}, {3, 7, 4}, {}, {2, 3, 5, 4}},
      {{1, 3, 5, 7}, {2, 1, 7, 4}, {}, {2, 3, 5, 4}},
      {{2, 3, 4, 1, 6}, {2, 1, 4, 6, 9}, {}, {2, 3, 4, 1, 9}},
      {{2, 3, 1, 6}, {6, 9}, {2, 3, 1, 9}, {2, 3, 1, 9}, true},
      {{6, 1, 6}, {6, 9}, {1, 9}, {6, 1, 9}, true},
      {{2, 3, 5, 7}, {7, 4}, {3, 1, 4}, {2, 3, 5, 4}, true},
      {{2, 3, 5, 7}, {7, 4}, {5, 1}, {2, 3, 5, 4}, true},
      {{2, 3, 5, 7}, {7, 4}, {2, 3, 5, 4}, {2, 3, 5, 4}, true},
      {{5, 7}, {7, 4}, {}, {5, 4}, true},
      {{5, 7}, {7, 4}, {1}, {5, 4}, true},
      {{300, 2, 3}, {300, 3, 2}, {}, {300, 2, 2}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    check(cases[i], static_cast<uint32_t>(100 + i));
    if (HasFatalFailure()) return;
  }
}

TEST(MatMul, StoragesAndVariants) {
  for (const Storage a : float_storages()) {
    for (const Storage b : float_storages()) {
      for (const auto variant : {MatMulVariant::kGemv, MatMulVariant::kGemm}) {
        for (const uint32_t m : {1u, 2u, 7u}) {
          Case c{{m, 130}, {130, 70}, {m, 1}, {m, 70}, true};
          c.a_storage = a;
          c.b_storage = b;
          c.variant = variant;
          check(c, 200 + m);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(MatMul, NormOnTheWay) {
  uint32_t seed = 400;
  for (const auto& [k, n] : {std::pair{1u, 8u}, {33u, 5u}, {1024u, 128u}, {2880u, 33u}, {300u, 1028u}}) {
    for (const Storage storage : float_storages()) {
      for (const bool trans_b : {false, true}) {
        Case c{{1, 1, k}, trans_b ? Shape{n, k} : Shape{k, n}, {}, {1, 1, n}};
        c.a_storage = c.b_storage = storage;
        c.trans_b = trans_b;
        c.norm = true;
        check(c, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(MatMul, ColumnsInQuads) {
  uint32_t seed = 500;
  for (const uint32_t m : {1u, 2u, 5u}) {
    for (const uint32_t n : {4u, 36u, 1028u}) {
      for (const uint32_t k : {1u, 257u, 1025u}) {
        Case c{{m, k}, {k, n}, {n}, {m, n}, true};
        c.b_storage = float_storages().back();
        check(c, ++seed);
        if (HasFatalFailure()) return;
      }
    }
  }
  check({{3, 2, 40}, {3, 40, 8}, {}, {3, 2, 8}}, ++seed);
}

// Rows and columns of whole vectors and not, at the edges of tiles; by subgroup matrices where the device has them.
TEST(MatMul, TilesOfManyRows) {
  uint32_t seed = 600;
  for (const Storage storage : float_storages()) {
    for (const auto& [m, n] : {std::pair{9u, 36u}, {31u, 33u}, {64u, 65u}, {65u, 64u}, {130u, 260u}, {200u, 4u}}) {
      for (const uint32_t k : {2u, 30u, 36u, 64u, 200u}) {
        for (const bool trans_b : {false, true}) {
          Case c{{m, k}, trans_b ? Shape{n, k} : Shape{k, n}, {n}, {m, n}, seed % 2 == 0};
          c.trans_b = trans_b;
          c.a_storage = c.b_storage = storage;
          check(c, ++seed);
          if (HasFatalFailure()) return;
        }
      }
    }
    Case batched{{3, 70, 40}, {3, 40, 36}, {}, {3, 70, 36}};
    batched.a_storage = batched.b_storage = storage;
    check(batched, ++seed);
  }
}

Dispatch planned(Storage a, Storage b, bool trans_b, const gpu::Caps& caps) {
  MatMulProblem p;
  p.a = {1, a, {100, 64}};
  p.b = {2, b, trans_b ? Shape{32, 64} : Shape{64, 32}};
  p.y = {3, a, {100, 32}};
  p.trans_b = trans_b;
  Recorder recorder(caps);
  plan_matmul(p, recorder);
  return recorder.dispatches().back();
}

// The device's compiler sees a text only on a device that has the feature; SLUICE_DUMP_WGSL keeps these for Tint.
TEST(MatMul, MatricesTakeHalves) {
  const gpu::Caps caps = caps_with_matrices();
  for (const bool trans_b : {false, true}) {
    const Dispatch halves = planned(Storage::kF16, Storage::kF16, trans_b, caps);
    EXPECT_EQ(halves.name, "matmul/gemm_matrices");
    EXPECT_TRUE(shader::is_for_tint_only(shader::expand(halves.shader, {})));
    shader::dump(halves.shader);
    EXPECT_EQ(planned(Storage::kF16, Storage::kF32, trans_b, caps).name, "matmul/gemm");
    EXPECT_EQ(planned(Storage::kF16, Storage::kF16, trans_b, gpu::Caps{}).name, "matmul/gemm");
  }
}

TEST(MatMul, EmptySumIsZero) {
  check({{3, 0}, {0, 5}, {5}, {3, 5}, true}, 300);
  check({{30, 0}, {0, 5}, {}, {30, 5}}, 301);
}

TEST(MatMul, EmptyRecordsNothing) {
  Recorder recorder(test_device().caps());
  MatMulProblem p;
  p.a = {1, Storage::kF32, {0, 4}};
  p.b = {2, Storage::kF32, {4, 3}};
  p.y = {3, Storage::kF32, {0, 3}};
  plan_matmul(p, recorder);
  EXPECT_TRUE(recorder.dispatches().empty());
}

void expect_refused(const MatMulProblem& p, const std::string& part) {
  Recorder recorder(test_device().caps());
  try {
    plan_matmul(p, recorder);
    FAIL() << "accepted; expected a refusal with: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(MatMul, Refusals) {
  MatMulProblem valid;
  valid.a = {1, Storage::kF32, {2, 4}};
  valid.b = {2, Storage::kF32, {4, 3}};
  valid.y = {3, Storage::kF32, {2, 3}};
  auto p = valid;
  p.b.shape = {5, 3};
  expect_refused(p, "inner dimensions");
  p = valid;
  p.y.shape = {3, 3};
  expect_refused(p, "Y must end in");
  p = valid;
  p.a.storage = Storage::kI32;
  expect_refused(p, "A must be f32 or f16");
  p = valid;
  p.c = {4, Storage::kF32, {2, 2}};
  expect_refused(p, "C does not broadcast");
  p = valid;
  p.c = p.y;
  expect_refused(p, "must not share");
  p = valid;
  p.norm_weight = {4, Storage::kF32, {4}};
  expect_refused(p, "the norm needs one row");
  p = valid;
  p.a.shape = {4};
  expect_refused(p, "at least 2 dimensions");
}

}  // namespace
}  // namespace sluice::kernels
