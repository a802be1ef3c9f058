// TopK by selection in rounds: each keeps the first k of every block, until a column is one block.
#include <algorithm>

#include "kernels/topk/topk_plan.h"

namespace sluice::kernels::topk {
namespace {

constexpr uint32_t kPairBytes = 8;

uint32_t kept_of(uint32_t n, uint32_t size, uint32_t k) {
  const uint32_t blocks = ceil_div(n, size);
  return (blocks - 1) * k + std::min(k, n - (blocks - 1) * size);
}

// What one workgroup finishes: the kernel ranks up to a workgroup's number of elements, more go to the sort.
uint32_t last_size(uint32_t k) { return k <= kWorkgroup ? kSelectBlock : kSortSize; }

uint32_t rounds_of(uint32_t n, uint32_t k) {
  uint32_t rounds = 1;
  for (; n > last_size(k); ++rounds) n = kept_of(n, kSelectBlock, k);
  return rounds;
}

// The smallest blocks that take no more rounds than the largest: many workgroups, each soon done.
uint32_t block_size(uint32_t n, uint32_t k) {
  const uint32_t rounds = rounds_of(n, k);
  uint32_t size = 2 * kWorkgroup * ceil_div(k, 2 * kWorkgroup);
  while (size < kSelectBlock && rounds_of(kept_of(n, size, k), k) >= rounds) size += 2 * kWorkgroup;
  return std::min(size, kSelectBlock);
}

void add_round(const TopKProblem& p, Params params, const Tensor& source, const Tensor& kept, Recorder& recorder) {
  const bool last = !kept;
  // Even, for fewer variants of the shader.
  const uint32_t per = last ? 2 * ceil_div(params.n, 2 * kWorkgroup) : params.size / kWorkgroup;
  params.size = per * kWorkgroup;
  params.blocks = ceil_div(params.n, params.size);
  Bindings b = bindings(p, "select", source, last);
  b.write("KEPT", kept).define("WG", kWorkgroup).define("PER", per);
  define_subgroups(b, kWorkgroup, recorder.caps());
  recorder.add(b.finish(params, fold_groups(uint64_t{params.columns} * params.blocks, recorder.caps())));
}

}  // namespace

void plan_select(const TopKProblem& p, Params whole, Recorder& recorder) {
  const uint32_t n = whole.n, most = n <= last_size(p.k) ? 1 : kept_of(n, block_size(n, p.k), p.k);
  const uint32_t step = columns_of_chunk(whole, most, kPairBytes, recorder.caps());
  Tensor buffers[2];
  if (n > last_size(p.k)) {
    for (Tensor& t : buffers) t = recorder.scratch(Storage::kU32, {step, most, 2});
  }
  for (uint32_t first = 0; first < whole.columns; first += step) {
    Params params = whole;
    params.first_column = first;
    params.columns = std::min(step, whole.columns - first);
    Tensor source;
    for (uint32_t round = 0; params.n > last_size(p.k); ++round) {
      params.size = block_size(params.n, p.k);
      params.out_n = kept_of(params.n, params.size, p.k);
      add_round(p, params, source, buffers[round % 2], recorder);
      source = buffers[round % 2];
      params.n = params.out_n;
    }
    if (p.k <= kWorkgroup) {
      add_round(p, params, source, {}, recorder);
    } else {
      add_last_sort(p, params, source, recorder);
    }
  }
}

}  // namespace sluice::kernels::topk
