// Times MatMulNBits and QMoE over the shapes of real models, in chains of layers with weights of their own: a working
// set that fits in a GPU's cache says nothing about a model.
#include <algorithm>
#include <random>
#include <vector>

#include "bench.h"
#include "kernels/matmul/matmul_nbits.h"
#include "kernels/moe/qmoe.h"

namespace {

using namespace sluice;
using namespace sluice::kernels;

constexpr uint32_t kBlock = 32;
constexpr size_t kPeriod = 1 << 20;  // random data repeats, for the time it takes to make

Storage float_storage() { return test_device().caps().f16 ? Storage::kF16 : Storage::kF32; }

std::vector<uint8_t> random_bytes(size_t count) {
  std::mt19937 random(1);
  std::vector<uint8_t> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = i < kPeriod ? static_cast<uint8_t>(random()) : bytes[i - kPeriod];
  return bytes;
}

std::vector<float> random_floats(size_t count, float scale, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> draw(-scale, scale);
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = i < kPeriod ? draw(random) : values[i - kPeriod];
  return values;
}

// Bytes of 4-bit rows with their scales.
uint64_t row_bytes(uint64_t rows, uint64_t k) {
  return rows * k / 2 + rows * k / kBlock * (float_storage() == Storage::kF16 ? 2 : 4);
}

struct Matrix {
  uint32_t m, n, k, layers;
};

void matmul(const Matrix& s, const bench::Options& options) {
  const auto record = [&](Runner& runner) {
    Tensor x = runner.upload(float_storage(), {s.m, s.k}, random_floats(size_t{s.m} * s.k, 1, 1));
    for (uint32_t layer = 0; layer < s.layers; ++layer) {
      MatMulNBitsProblem p;
      p.a = x;
      p.b = runner.upload_bytes({s.n, s.k / kBlock, kBlock / 2}, random_bytes(size_t{s.n} * s.k / 2));
      p.scales =
          runner.upload(float_storage(), {s.n, s.k / kBlock}, random_floats(size_t{s.n} * s.k / kBlock, 0.01f, 2));
      p.y = runner.allocate(float_storage(), {s.m, s.n});
      p.n = s.n;
      p.k = s.k;
      plan_matmul_nbits(p, runner.recorder());
      if (s.n == s.k) x = p.y;  // else the layers do not wait for one another
    }
  };
  bench::run({"matmul_nbits", fmt::format("m={} n={} k={}", s.m, s.n, s.k), row_bytes(s.n, s.k), record, s.layers},
             options);
}

struct Experts {
  uint32_t tokens, hidden, inner, experts, k, weights, layers;  // `layers` take turns with as many `weights`
};

QMoEProblem expert_weights(Runner& runner, const Experts& s) {
  const auto fill = [&](QMoEProblem::Expert& e, uint32_t rows, uint32_t k) {
    e.weights = runner.upload_bytes({s.experts, rows, k / 2}, random_bytes(size_t{s.experts} * rows * k / 2));
    e.scales = runner.upload(float_storage(), {s.experts, rows, k / kBlock},
                             random_floats(size_t{s.experts} * rows * k / kBlock, 0.01f, 2));
  };
  QMoEProblem p;
  fill(p.fc1, 2 * s.inner, s.hidden);
  fill(p.fc2, s.hidden, s.inner);
  p.k = s.k;
  p.block_size = kBlock;
  p.activation = MoeActivation::kSwiglu;
  p.swiglu_fusion = 1;
  p.swiglu_limit = 7;
  p.activation_alpha = 1.702f;
  p.activation_beta = 1;
  p.normalize_routing_weights = true;
  return p;
}

void qmoe(const Experts& s, const bench::Options& options) {
  const auto record = [&](Runner& runner) {
    Tensor x = runner.upload(float_storage(), {s.tokens, s.hidden}, random_floats(size_t{s.tokens} * s.hidden, 1, 1));
    std::vector<QMoEProblem> weights;
    for (uint32_t i = 0; i < s.weights; ++i) weights.push_back(expert_weights(runner, s));
    for (uint32_t layer = 0; layer < s.layers; ++layer) {
      QMoEProblem p = weights[layer % s.weights];
      p.input = x;
      p.router = runner.upload(float_storage(), {s.tokens, s.experts},
                               random_floats(size_t{s.tokens} * s.experts, 2, 100 + layer));
      p.y = runner.allocate(float_storage(), {s.tokens, s.hidden});
      plan_qmoe(p, runner.recorder());
      x = p.y;
    }
  };
  const uint64_t used = std::min(s.experts, s.tokens * s.k);
  bench::run({"qmoe", fmt::format("t={} h={} i={} e={} k={}", s.tokens, s.hidden, s.inner, s.experts, s.k),
              used * (row_bytes(2 * s.inner, s.hidden) + row_bytes(s.hidden, s.inner)), record, s.layers},
             options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    bench::Options options = bench::Options::parse(argc, argv);
    options.copies = 1;  // the chains are long enough
    for (const uint32_t m : {1u, 2u, 4u, 8u, 64u, 512u, 2048u}) matmul({m, 4096, 4096, m > 8 ? 4u : 24u}, options);
    matmul({1, 5120, 2880, 24}, options);
    matmul({1, 2880, 4096, 24}, options);
    matmul({1, 201088, 2880, 2}, options);
    for (const uint32_t t : {1u, 2u, 4u, 8u, 64u, 512u, 2048u})
      qmoe({t, 2880, 2880, 32, 4, 4, t > 8 ? 4u : 32u}, options);
    for (const uint32_t t : {1u, 2u, 4u, 8u, 64u, 512u, 2048u})
      qmoe({t, 1024, 256, 128, 8, 8, t > 8 ? 8u : 64u}, options);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
