// Times TopK: each size with the variant that the planner takes, and with every other that could be its rival.
#include <cstdio>
#include <random>
#include <vector>

#include "base/error.h"
#include "bench.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/topk/topk.h"

namespace {

using namespace sluice;
using namespace sluice::kernels;

constexpr const char* kVariants[] = {"auto", "rank", "select", "sort", "merge", "radix"};

struct Size {
  uint32_t rows, columns, k;
};

std::vector<float> normal(uint64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> distribution;
  std::vector<float> values(count);
  for (float& v : values) v = distribution(random);
  return values;
}

TopKProblem problem(Runner& runner, const Size& s, const Tensor& x, TopKVariant variant) {
  return {x,
          runner.allocate(Storage::kF32, {s.rows, s.k}),
          runner.allocate(Storage::kI32, {s.rows, s.k}),
          1,
          s.k,
          true,
          true,
          variant};
}

uint64_t bytes_of(const Size& s) { return uint64_t{s.rows} * (4ull * s.columns + 8ull * s.k); }

std::string shape_of(const Size& s) { return fmt::format("{}x{} k={}", s.rows, s.columns, s.k); }

void bench_variants(const Size& s, const bench::Options& options) {
  const std::vector<float> values = normal(uint64_t{s.rows} * s.columns);
  for (size_t v = 0; v < std::size(kVariants); ++v) {
    const auto variant = static_cast<TopKVariant>(v);
    if ((variant == TopKVariant::kMerge || variant == TopKVariant::kRadix) && s.columns < 1024) continue;
    const auto record = [&](Runner& runner) {
      const Tensor x = runner.upload(Storage::kF32, {s.rows, s.columns}, values);
      plan_topk(problem(runner, s, x, variant), runner.recorder());
    };
    bench::run({fmt::format("topk/{}", kVariants[v]), shape_of(s), bytes_of(s), record, 1, 0, s.rows}, options);
  }
}

// The graph of a router with an Add before and one behind, as other runtimes are measured on it.
void bench_between_adds(const Size& s, const bench::Options& options) {
  const std::vector<float> values = normal(uint64_t{s.rows} * s.columns);
  const auto record = [&](Runner& runner) {
    const Tensor x = runner.upload(Storage::kF32, {s.rows, s.columns}, values);
    const Tensor one = runner.upload(Storage::kF32, {1}, {1});
    const Tensor sum = runner.allocate(Storage::kF32, {s.rows, s.columns});
    plan_binary(ElementOp::kAdd, x, one, sum, runner.recorder());
    const TopKProblem top = problem(runner, s, sum, TopKVariant::kAuto);
    plan_topk(top, runner.recorder());
    plan_binary(ElementOp::kAdd, top.values, one, runner.allocate(Storage::kF32, {s.rows, s.k}), runner.recorder());
  };
  bench::run({"add+topk+add", shape_of(s), bytes_of(s), record, 1, 0, s.rows}, options);
}

}  // namespace

int main(int argc, char** argv) try {
  const bench::Options options = bench::Options::parse(argc, argv);
  bench_between_adds({128, 128, 8}, options);
  for (const Size& s :
       {Size{128, 128, 8},       Size{1, 128, 8},           Size{512, 256, 8},         Size{1, 400, 400},
        Size{64, 1000, 10},      Size{1, 2000, 50},         Size{1, 4096, 50},         Size{1, 4096, 1024},
        Size{1, 32768, 50},      Size{1, 201088, 1},        Size{1, 201088, 50},       Size{8, 201088, 50},
        Size{1, 201088, 1000},   Size{1, 8192, 8192},       Size{1, 32768, 32768},     Size{1, 65536, 65536},
        Size{1, 131072, 131072}, Size{1, 1048576, 1048576}, Size{1, 4194304, 4194304}, Size{10000, 128, 8},
        Size{100000, 40, 5}}) {
    bench_variants(s, options);
  }
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
