#include "kernels/data/read_all.h"

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

// Mirrors Params of read_all.wgsl.
struct alignas(16) ReadAllParams {
  uint32_t blocks;
  uint32_t pad0 = 0, pad1 = 0, pad2 = 0;
};
static_assert(sizeof(ReadAllParams) == 16);

constexpr uint32_t kThreads = 256;
constexpr uint32_t kVectors = ReadAllProblem::kBlockWords / 4 / kThreads;  // that a thread reads of a block

}  // namespace

void plan_read_all(const ReadAllProblem& p, Recorder& recorder) {
  const uint64_t words = p.x.elements(), groups = p.sums.elements();
  if (p.x.storage != Storage::kUnsigned || p.sums.storage != Storage::kUnsigned)
    fail("read_all", "both tensors must be unsigned");
  if (words == 0 || words % ReadAllProblem::kBlockWords != 0 || words > UINT32_MAX)
    fail("read_all", "needs a positive multiple of {} words below 2^32, got {}", ReadAllProblem::kBlockWords, words);
  if (groups == 0 || groups > recorder.caps().max_workgroups)
    fail("read_all", "workgroups must be 1 to {}, got {}", recorder.caps().max_workgroups, groups);
  Bindings bindings("read_all", "kernels/data/read_all.wgsl");
  bindings.read("X", p.x).write("SUMS", p.sums).define("WG", kThreads).define("VECTORS", kVectors);
  const ReadAllParams params{.blocks = static_cast<uint32_t>(words / ReadAllProblem::kBlockWords)};
  recorder.add(bindings.finish(params, {static_cast<uint32_t>(groups), 1, 1}));
}

}  // namespace sluice::kernels
