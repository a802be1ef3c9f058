// TopK by a stable radix sort of whole columns: four passes over 8 bits of the keys, each in three steps.
#include <algorithm>

#include "kernels/topk/topk_plan.h"

namespace sluice::kernels::topk {
namespace {

constexpr uint32_t kBlock = 2048;
constexpr uint32_t kDigits = 256;
constexpr uint32_t kDigitBits = 8;
constexpr uint32_t kPairBytes = 8;
constexpr uint32_t kSmallScan = 64;
constexpr uint32_t kMostParts = 8;  // subgroups that share a table of digits in workgroup memory

struct alignas(16) ScanParams {
  uint32_t columns, blocks, pad0 = 0, pad1 = 0;
};

struct Buffers {
  Tensor pairs[2], counts, totals;
};

void add_scan(const Params& params, const Buffers& buffers, Recorder& recorder) {
  Bindings b("topk/radix_scan", "kernels/topk/topk_radix_scan.wgsl");
  b.write("COUNTS", buffers.counts).write("TOTALS", buffers.totals);
  const uint32_t size = params.blocks <= kSmallScan ? kSmallScan : kWorkgroup;
  b.define("WG", size);
  define_subgroups(b, size, recorder.caps());
  recorder.add(b.finish(ScanParams{params.columns, params.blocks},
                        fold_groups(uint64_t{params.columns} * kDigits, recorder.caps())));
}

void add_pass(const TopKProblem& p, const Params& params, const Buffers& buffers, Recorder& recorder) {
  const uint32_t pass = params.shift / kDigitBits;
  const bool last = pass == 3;
  const Tensor source = pass == 0 ? Tensor{} : buffers.pairs[pass % 2];
  const auto groups = fold_groups(uint64_t{params.columns} * params.blocks, recorder.caps());
  recorder.add(bindings(p, "radix_count", source, false).write("COUNTS", buffers.counts).finish(params, groups));
  add_scan(params, buffers, recorder);

  const uint32_t subgroup = fixed_subgroup(recorder.caps());
  const bool ballots = subgroup >= 4 && subgroup <= 32;
  const uint32_t workgroup = ballots ? std::min(kWorkgroup, kMostParts * subgroup) : kWorkgroup;
  Bindings b = bindings(p, "radix_scatter", source, last);
  b.read("COUNTS", buffers.counts).read("TOTALS", buffers.totals);
  b.write("MOVED", last ? Tensor{} : buffers.pairs[(pass + 1) % 2]);
  b.define("WG", workgroup).define("BALLOTS", ballots ? 1 : 0);
  define_subgroups(b, workgroup, recorder.caps());
  recorder.add(b.finish(params, groups));
}

}  // namespace

void plan_radix(const TopKProblem& p, Params whole, Recorder& recorder) {
  whole.size = kBlock;
  whole.blocks = ceil_div(whole.n, kBlock);
  const uint64_t bytes = std::max(uint64_t{whole.n} * kPairBytes, uint64_t{whole.blocks} * kDigits * sizeof(uint32_t));
  const uint32_t step = columns_of_chunk(whole, bytes, 1, recorder.caps());
  const auto pairs = [&] { return recorder.scratch(Storage::kU32, {step, whole.n, 2}); };
  const Tensor first_pairs = pairs(), second_pairs = pairs();
  const Buffers buffers = {{first_pairs, second_pairs},
                           recorder.scratch(Storage::kU32, {step, kDigits, whole.blocks}),
                           recorder.scratch(Storage::kU32, {step, kDigits})};
  for (uint32_t first = 0; first < whole.columns; first += step) {
    Params params = whole;
    params.first_column = first;
    params.columns = std::min(step, whole.columns - first);
    for (params.shift = 0; params.shift < 32; params.shift += kDigitBits) add_pass(p, params, buffers, recorder);
  }
}

}  // namespace sluice::kernels::topk
