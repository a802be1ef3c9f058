// Times QMoE over the shapes of real models, in chains of layers with weights of their own: a working set that fits in
// a GPU's cache says nothing about a model.
#include <algorithm>
#include <vector>

#include "bench.h"
#include "kernels/moe/qmoe.h"

namespace {

using namespace sluice;
using namespace sluice::kernels;

constexpr uint32_t kBlock = 32;

// Bytes of 4-bit rows with their scales.
uint64_t row_bytes(uint64_t rows, uint64_t k) { return rows * k / 2 + rows * k / kBlock * bench::float_bytes(); }

struct Experts {
  uint32_t tokens, hidden, inner, experts, k, weights, layers;  // `layers` take turns with as many `weights`
};

QMoEProblem expert_weights(Runner& runner, const Experts& s) {
  const auto fill = [&](QMoEProblem::Expert& e, uint32_t rows, uint32_t k) {
    e.weights = runner.upload_bytes({s.experts, rows, k / 2}, bench::random_bytes(size_t{s.experts} * rows * k / 2));
    e.scales = runner.upload(bench::float_storage(), {s.experts, rows, k / kBlock},
                             bench::random_floats(size_t{s.experts} * rows * k / kBlock, 0.01f, 2));
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
    Tensor x = runner.upload(bench::float_storage(), {s.tokens, s.hidden},
                             bench::random_floats(size_t{s.tokens} * s.hidden, 1, 1));
    std::vector<QMoEProblem> weights;
    for (uint32_t i = 0; i < s.weights; ++i) weights.push_back(expert_weights(runner, s));
    for (uint32_t layer = 0; layer < s.layers; ++layer) {
      QMoEProblem p = weights[layer % s.weights];
      p.input = x;
      p.router = runner.upload(bench::float_storage(), {s.tokens, s.experts},
                               bench::random_floats(size_t{s.tokens} * s.experts, 2, 100 + layer));
      p.y = runner.allocate(bench::float_storage(), {s.tokens, s.hidden});
      plan_qmoe(p, runner.recorder());
      x = p.y;
    }
  };
  const uint64_t used = std::min(s.experts, s.tokens * s.k);
  bench::run({"qmoe", fmt::format("t={} h={} i={} e={} k={}", s.tokens, s.hidden, s.inner, s.experts, s.k),
              used * (row_bytes(2 * s.inner, s.hidden) + row_bytes(s.hidden, s.inner)), record, s.layers,
              6ull * s.tokens * s.k * s.hidden * s.inner, s.tokens},
             options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    bench::Options options = bench::Options::parse(argc, argv);
    options.copies = 1;  // the chains are long enough
    for (const uint32_t t : {1u, 2u, 4u, 8u, 64u, 512u, 2048u})
      qmoe({t, 2880, 2880, 32, 4, 4, t > 8 ? 4u : 32u}, options);
    for (const uint32_t t : {1u, 2u, 4u, 8u, 64u, 512u, 2048u})
      qmoe({t, 1024, 256, 128, 8, 8, t > 8 ? 8u : 64u}, options);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
