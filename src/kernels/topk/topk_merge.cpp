// TopK by sorting runs and merging all of them in one dispatch.
#include <algorithm>

#include "kernels/topk/topk_plan.h"

namespace sluice::kernels::topk {
namespace {

constexpr uint32_t kWordBytes = 4;

// Short runs are sorted sooner, by more workgroups; few runs are merged sooner.
uint32_t run_size(uint32_t n) { return n <= 32 * kSortSize / 2 ? kSortSize / 2 : kSortSize; }

}  // namespace

void plan_merge(const TopKProblem& p, Params whole, Recorder& recorder) {
  const uint32_t run = run_size(whole.n), kept = std::min(p.k, run);
  whole.blocks = ceil_div(whole.n, run);
  whole.size = run;
  whole.out_n = (whole.blocks - 1) * kept + std::min(kept, whole.n - (whole.blocks - 1) * run);
  const uint32_t step = columns_of_chunk(whole, whole.out_n, kWordBytes, recorder.caps());
  const Tensor keys = recorder.scratch(Storage::kU32, {step, whole.out_n});
  const Tensor origins = recorder.scratch(Storage::kU32, {step, whole.out_n});
  for (uint32_t first = 0; first < whole.columns; first += step) {
    Params params = whole;
    params.first_column = first;
    params.columns = std::min(step, whole.columns - first);
    recorder.add(bindings(p, "block", {}, false)
                     .write("RUN_KEYS", keys)
                     .write("RUN_ORIGINS", origins)
                     .define("SIZE", run)
                     .define("WG", kWorkgroup)
                     .define("PER", run / 2 / kWorkgroup)
                     .finish(params, fold_groups(uint64_t{params.columns} * params.blocks, recorder.caps())));
    recorder.add(bindings(p, "merge", {}, true)
                     .read("RUN_KEYS", keys)
                     .read("RUN_ORIGINS", origins)
                     .define("RUN", run)
                     .define("WG", kWorkgroup)
                     .finish(params, fold_groups(ceil_div64(uint64_t{params.columns} * params.out_n, kWorkgroup),
                                                 recorder.caps())));
  }
}

}  // namespace sluice::kernels::topk
