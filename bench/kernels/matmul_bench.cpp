// Times MatMulNBits and MatMul over the shapes of real models, in chains of layers with weights of their own, each of
// which reads what the one before wrote. A working set that fits in a GPU's cache says nothing about a model.
#include <algorithm>
#include <vector>

#include "bench.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/matmul_nbits.h"

namespace {

using namespace sluice;
using namespace sluice::kernels;

constexpr uint32_t kBlock = 32;

Tensor floats(Runner& runner, const std::vector<uint32_t>& shape, float scale, uint32_t seed) {
  const Tensor t{0, bench::float_storage(), shape};
  return runner.upload(t.storage, shape, bench::random_floats(t.elements(), scale, seed));
}

// Enough layers of that many bytes to leave the caches behind, if they are large.
uint32_t layers_of(uint64_t bytes) {
  return static_cast<uint32_t>(std::clamp<uint64_t>((256ull << 20) / bytes, 2, 24));
}

// A result of m rows in a buffer that the next layer can read m rows of k from.
Tensor result(Runner& runner, uint32_t m, uint32_t n, uint32_t k) {
  Tensor y = runner.allocate(bench::float_storage(), {m, std::max(n, k)});
  y.shape = {m, n};
  return y;
}

MatMulNBitsProblem quantised(Runner& runner, const Tensor& a, uint32_t n, uint32_t k) {
  MatMulNBitsProblem p;
  p.a = a;
  p.a.shape.back() = k;
  p.b = runner.upload_bytes({n, k / kBlock, kBlock / 2}, bench::random_bytes(size_t{n} * k / 2));
  p.scales = floats(runner, {n, k / kBlock}, 0.01f, 2);
  p.y = result(runner, a.shape[0], n, k);
  p.n = n;
  p.k = k;
  return p;
}

uint64_t weight_bytes(uint64_t n, uint64_t k) { return n * k / 2 + n * k / kBlock * bench::float_bytes(); }

struct Product {
  uint32_t m, n, k, accuracy_level = 4;
};

uint64_t operations(const Product& s) { return 2ull * s.m * s.n * s.k; }

void matmul_nbits(const Product& s, const bench::Options& options) {
  const uint64_t bytes = weight_bytes(s.n, s.k);
  const uint32_t layers = s.m > 8 ? 4 : layers_of(bytes);
  const auto record = [&](Runner& runner) {
    Tensor x = floats(runner, {s.m, s.k}, 1, 1);
    for (uint32_t layer = 0; layer < layers; ++layer) {
      MatMulNBitsProblem p = quantised(runner, x, s.n, s.k);
      p.accuracy_level = s.accuracy_level;
      plan_matmul_nbits(p, runner.recorder());
      x = p.y;
    }
  };
  bench::run({"matmul_nbits", fmt::format("m={} n={} k={} level={}", s.m, s.n, s.k, s.accuracy_level), bytes, record,
              layers, operations(s), s.m},
             options);
}

struct Joined {
  const char* name;
  std::vector<uint32_t> n;
  uint32_t k;
  bool gated = false;
};

uint64_t joined_bytes(const Joined& s) {
  uint64_t bytes = 0;
  for (const uint32_t n : s.n) bytes += weight_bytes(n, s.k);
  return bytes;
}

// The same products in one dispatch, and one after the other without the gate.
void joined(const Joined& s, bool in_one, const bench::Options& options) {
  const uint32_t layers = layers_of(joined_bytes(s));
  const auto record = [&](Runner& runner) {
    Tensor x = floats(runner, {1, s.k}, 1, 1);
    const Tensor gamma = floats(runner, {s.k}, 1, 3);
    for (uint32_t layer = 0; layer < layers; ++layer) {
      JoinedMatMulNBitsProblem p{.products = {}, .gated = s.gated};
      for (const uint32_t n : s.n) {
        p.products.push_back(quantised(runner, x, n, s.k));
        p.products.back().accuracy_level = 4;
        p.products.back().norm_weight = gamma;
      }
      x = p.products[0].y;
      if (in_one) plan_joined_matmul_nbits(p, runner.recorder());
      for (const MatMulNBitsProblem& product : p.products) {
        if (!in_one) plan_matmul_nbits(product, runner.recorder());
      }
    }
  };
  bench::run({in_one ? "joined" : "one by one", fmt::format("{} n={} k={}", s.name, fmt::join(s.n, "+"), s.k),
              joined_bytes(s), record, layers, 0, 1},
             options);
}

void matmul(const Product& s, const bench::Options& options) {
  const uint64_t bytes = uint64_t{s.n} * s.k * bench::float_bytes();
  const uint32_t layers = s.m > 8 ? 4 : layers_of(bytes);
  const auto record = [&](Runner& runner) {
    Tensor x = floats(runner, {s.m, s.k}, 1, 1);
    for (uint32_t layer = 0; layer < layers; ++layer) {
      MatMulProblem p;
      p.a = x;
      p.a.shape.back() = s.k;
      p.b = floats(runner, {s.k, s.n}, 0.1f, 2);
      p.y = result(runner, s.m, s.n, s.k);
      plan_matmul(p, runner.recorder());
      x = p.y;
    }
  };
  bench::run({"matmul", fmt::format("m={} n={} k={}", s.m, s.n, s.k), bytes, record, layers, operations(s), s.m},
             options);
}

void run_all(const bench::Options& options) {
  for (const uint32_t m : {1u, 2u, 4u, 8u, 64u, 512u, 2048u}) {
    for (const auto& [n, k] : {std::pair{4096u, 4096u},
                               {5120u, 2880u},
                               {2880u, 4096u},
                               {1024u, 1024u},
                               {3072u, 1024u},
                               {7168u, 2048u},
                               {2048u, 7168u}}) {
      matmul_nbits({m, n, k}, options);
    }
  }
  matmul_nbits({1, 4096, 4096, 0}, options);
  matmul_nbits({1, 201088, 2880}, options);
  matmul_nbits({1, 201088, 2880, 0}, options);
  for (const Joined& s : {Joined{"q k gate", {1024, 256, 1024}, 1024}, Joined{"mlp", {3072, 3072}, 1024, true},
                          Joined{"shared expert", {256, 256}, 1024, true}}) {
    joined(s, true, options);
    joined(s, false, options);
  }
  for (const uint32_t m : {1u, 8u, 512u}) {
    for (const auto& [n, k] : {std::pair{128u, 1024u}, {256u, 1024u}, {32u, 2880u}}) matmul({m, n, k}, options);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    bench::Options options = bench::Options::parse(argc, argv);
    options.copies = 1;  // the chains are long enough
    run_all(options);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
