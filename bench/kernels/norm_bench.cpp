// Times RMS norms over the shapes of real models: of the residual stream, with and without the sum before it, and of
// the heads of queries and keys. The tensors of a model's step are small and were just written: they come from a cache.
#include <vector>

#include "bench.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/norm/softmax.h"

namespace {

using namespace sluice;
using namespace sluice::kernels;

constexpr uint32_t kTokens[] = {1, 2, 4, 8, 64, 512, 2048};

struct Size {
  const char* name;
  uint32_t tokens;
  uint32_t rows;  // of a token
  uint32_t width;

  std::string shape() const { return fmt::format("{} t={} {}x{}", name, tokens, tokens * rows, width); }
};

// Of the whole tensor, `times` times, and of the weights.
uint64_t bytes_of(const Size& s, uint64_t times) {
  return storage_bytes(bench::float_storage(), (times * s.tokens * s.rows + 1) * s.width);
}

void rms_norm(const Size& s, const bench::Options& options) {
  const auto record = [&](Runner& runner) {
    const std::vector<uint32_t> shape = {s.tokens * s.rows, s.width};
    RmsNormProblem p;
    p.x = runner.allocate(bench::float_storage(), shape);
    p.weight = runner.allocate(bench::float_storage(), {s.width});
    p.y = runner.allocate(bench::float_storage(), shape);
    plan_rms_norm(p, runner.recorder());
  };
  bench::run({"rms_norm", s.shape(), bytes_of(s, 2), record, 1, 0, s.tokens}, options);
}

void skip_rms_norm(const Size& s, const bench::Options& options) {
  const auto record = [&](Runner& runner) {
    const auto make = [&] { return runner.allocate(bench::float_storage(), {s.tokens * s.rows, s.width}); };
    SkipRmsNormProblem p;
    p.x = make();
    p.skip = make();
    p.weight = runner.allocate(bench::float_storage(), {s.width});
    p.y = make();
    p.sum = make();
    plan_skip_rms_norm(p, runner.recorder());
  };
  bench::run({"skip_rms_norm", s.shape(), bytes_of(s, 4), record, 1, 0, s.tokens}, options);
}

void softmax(const Size& s, const bench::Options& options) {
  const auto record = [&](Runner& runner) {
    const auto make = [&] { return runner.allocate(bench::float_storage(), {s.tokens * s.rows, s.width}); };
    const Tensor x = make();
    plan_softmax({.x = x, .y = make()}, runner.recorder());
  };
  bench::run({"softmax", s.shape(), bytes_of(s, 2), record, 1, 0, s.tokens}, options);
}

}  // namespace

int main(int argc, char** argv) try {
  const bench::Options options = bench::Options::parse(argc, argv);
  for (const uint32_t tokens : kTokens) {
    for (const Size& s :
         {Size{"gpt-oss", tokens, 1, 2880}, Size{"trinity", tokens, 1, 1024}, Size{"lfm2/qwen3", tokens, 1, 2048}}) {
      rms_norm(s, options);
      skip_rms_norm(s, options);
    }
    rms_norm({"trinity q heads", tokens, 8, 128}, options);
    rms_norm({"qwen3 q heads", tokens, 32, 128}, options);
    softmax({"128 experts", tokens, 1, 128}, options);
  }
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
