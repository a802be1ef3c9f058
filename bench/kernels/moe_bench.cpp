// Times QMoE over the shapes of real models, in chains of layers with weights of their own: a working set that fits in
// a GPU's cache says nothing about a model.
#include <algorithm>
#include <numeric>
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
  uint32_t hidden, inner, experts, k, weights, layers;  // `layers` take turns with as many `weights`
  uint32_t tokens = 1;
};

// gpt-oss-20b, Trinity-Nano, LFM2-8B-A1B, Qwen3-30B-A3B.
constexpr Experts kModels[] = {
    {2880, 2880, 32, 4, 4, 32}, {1024, 256, 128, 8, 8, 64}, {2048, 1792, 32, 4, 4, 32}, {2048, 768, 128, 8, 4, 32}};

std::vector<float> router_logits(const Experts& s, uint32_t layer) {
  return bench::random_floats(size_t{s.tokens} * s.experts, 2, 100 + layer);
}

// Experts that some token of a layer chooses: those whose weights are read.
uint32_t used_experts(const Experts& s, uint32_t layer) {
  const std::vector<float> logits = router_logits(s, layer);
  std::vector<bool> used(s.experts);
  for (uint32_t t = 0; t < s.tokens; ++t) {
    const float* row = logits.data() + size_t{t} * s.experts;
    std::vector<uint32_t> order(s.experts);
    std::iota(order.begin(), order.end(), 0u);
    std::partial_sort(order.begin(), order.begin() + s.k, order.end(),
                      [row](uint32_t a, uint32_t b) { return row[a] > row[b]; });
    for (uint32_t j = 0; j < s.k; ++j) used[order[j]] = true;
  }
  return static_cast<uint32_t>(std::count(used.begin(), used.end(), true));
}

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
      p.router = runner.upload(bench::float_storage(), {s.tokens, s.experts}, router_logits(s, layer));
      p.y = runner.allocate(bench::float_storage(), {s.tokens, s.hidden});
      plan_qmoe(p, runner.recorder());
      x = p.y;
    }
  };
  uint64_t used = 0;
  for (uint32_t layer = 0; layer < s.layers; ++layer) used += used_experts(s, layer);
  bench::run({"qmoe", fmt::format("t={} h={} i={} e={} k={}", s.tokens, s.hidden, s.inner, s.experts, s.k),
              used * (row_bytes(2 * s.inner, s.hidden) + row_bytes(s.hidden, s.inner)) / s.layers, record, s.layers,
              6ull * s.tokens * s.k * s.hidden * s.inner, s.tokens},
             options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    bench::Options options = bench::Options::parse(argc, argv);
    options.copies = 1;  // the chains are long enough
    for (Experts model : kModels) {
      for (const uint32_t tokens : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u, 512u, 2048u}) {
        model.tokens = tokens;
        if (tokens > 16) model.layers = model.weights;
        qmoe(model, options);
      }
    }
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
