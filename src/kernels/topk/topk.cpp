#include "kernels/topk/topk.h"

#include <algorithm>
#include <bit>

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "topk";
constexpr uint32_t kWorkgroup = 256;
constexpr uint32_t kRankLength = 256;
constexpr uint32_t kSortSize = 2048;  // pairs of a block in workgroup memory: 16 KiB
constexpr uint32_t kRadixBlock = 2048;
constexpr uint32_t kRadixDigits = 256;
constexpr uint32_t kPairBytes = 8;

struct alignas(16) Params {
  uint32_t columns, first_column, n, axis, stride, k, flip, blocks, out_n, shift, pad0 = 0, pad1 = 0;
};
static_assert(sizeof(Params) == 48);

struct alignas(16) ScanParams {
  uint32_t columns, blocks, pad0 = 0, pad1 = 0;
};
static_assert(sizeof(ScanParams) == 16);

struct Layout {
  uint32_t columns = 0, n = 0, stride = 1;
};

Layout check(const TopKProblem& p) {
  if (p.axis >= p.x.rank()) fail(kTag, "axis {} is outside the {} dimensions of X", p.axis, p.x.rank());
  if (p.x.storage != Storage::kF32 && p.x.storage != Storage::kF16 && p.x.storage != Storage::kI32) {
    fail(kTag, "X must be f32, f16 or i32, got {}", wgsl_type(p.x.storage));
  }
  if (p.values.storage != p.x.storage) fail(kTag, "the values must have the type of X");
  if (p.indices.storage != Storage::kI32) fail(kTag, "the indices must be i32, got {}", wgsl_type(p.indices.storage));
  Layout layout;
  layout.n = p.x.shape[p.axis];
  if (p.k > layout.n) fail(kTag, "k is {}, more than the {} elements along axis {}", p.k, layout.n, p.axis);
  uint64_t columns = 1;
  for (size_t i = 0; i < p.x.shape.size(); ++i) {
    if (i != p.axis) columns *= p.x.shape[i];
    if (i > p.axis) layout.stride *= p.x.shape[i];
  }
  for (const Tensor* t : {&p.values, &p.indices}) {
    if (t->elements() != columns * p.k)
      fail(kTag, "the outputs must hold {} elements, got {}", columns * p.k, t->elements());
  }
  layout.columns = static_cast<uint32_t>(columns);
  return layout;
}

TopKVariant choose(const TopKProblem& p, const Layout& layout) {
  const bool fits_rank = layout.n <= kRankLength, fits_sort = layout.n <= kSortSize || p.k <= kSortSize / 2;
  if (p.variant == TopKVariant::kRank && !fits_rank)
    fail(kTag, "the rank kernel takes up to {} elements, got {}", kRankLength, layout.n);
  if (p.variant == TopKVariant::kSort && !fits_sort) {
    fail(kTag, "the sort kernel takes columns up to {} or k up to {}, got {} and {}", kSortSize, kSortSize / 2,
         layout.n, p.k);
  }
  if (p.variant != TopKVariant::kAuto) return p.variant;
  return fits_rank ? TopKVariant::kRank : fits_sort ? TopKVariant::kSort : TopKVariant::kRadix;
}

Params base_params(const TopKProblem& p, const Layout& layout) {
  return {layout.columns, 0, layout.n, layout.n, layout.stride, p.k, p.largest ? ~0u : 0u, 1, 0, 0};
}

Dispatch base_dispatch(const TopKProblem& p, const char* name, bool first) {
  Dispatch d;
  d.name = std::string("topk/") + name;
  d.shader.file = std::string("kernels/topk/topk_") + name + ".wgsl";
  d.shader.defines = {
      {"T", wgsl_type(p.x.storage)}, {"INTEGER", p.x.storage == Storage::kI32 ? 1u : 0u}, {"FIRST", first ? 1u : 0u}};
  d.operands = {in(p.x)};
  return d;
}

void plan_rank(const TopKProblem& p, const Layout& layout, Recorder& recorder) {
  const uint32_t width = std::bit_ceil(layout.n);
  Dispatch d = base_dispatch(p, "rank", true);
  d.shader.defines.emplace_back("WG", kWorkgroup);
  d.shader.defines.emplace_back("WIDTH", width);
  d.operands.push_back(out(p.values));
  d.operands.push_back(out(p.indices));
  d.set_uniforms(base_params(p, layout));
  d.groups = fold_groups(ceil_div(layout.columns, kWorkgroup / width), recorder.caps());
  recorder.add(std::move(d));
}

// Columns whose pairs, n of each, fit in one binding.
uint32_t columns_of_chunk(const Layout& layout, uint32_t n, const gpu::Caps& caps) {
  const uint64_t bytes = uint64_t{n} * kPairBytes;
  if (bytes > caps.max_binding) {
    fail(kTag, "a column of {} elements needs a buffer of {} bytes, more than the device's limit of {}", layout.n,
         bytes, caps.max_binding);
  }
  return static_cast<uint32_t>(std::min<uint64_t>(layout.columns, caps.max_binding / bytes));
}

uint32_t kept_pairs(uint32_t n, uint32_t k) {
  const uint32_t blocks = ceil_div(n, kSortSize);
  return (blocks - 1) * k + std::min(k, n - (blocks - 1) * kSortSize);
}

// One round over pairs of `source` (or over x): the first k of each block.
void plan_sort_round(const TopKProblem& p, Params params, const Tensor& source, const Tensor& kept,
                     Recorder& recorder) {
  const bool last = !kept;
  const uint32_t size = last ? std::max(2u, std::bit_ceil(params.n)) : kSortSize;
  params.blocks = ceil_div(params.n, size);
  params.out_n = last ? 0 : kept_pairs(params.n, p.k);
  Dispatch d = base_dispatch(p, "block", !source);
  d.shader.defines.emplace_back("LAST", last ? 1u : 0u);
  d.shader.defines.emplace_back("SIZE", size);
  d.shader.defines.emplace_back("WG", std::min(kWorkgroup, size / 2));
  d.operands.push_back(in(source ? source : p.x));
  d.operands.push_back(out(last ? p.values : kept));
  if (last) d.operands.push_back(out(p.indices));
  d.set_uniforms(params);
  d.groups = fold_groups(uint64_t{params.columns} * params.blocks, recorder.caps());
  recorder.add(std::move(d));
}

void plan_sort(const TopKProblem& p, const Layout& layout, Recorder& recorder) {
  const uint32_t most = layout.n <= kSortSize ? 1 : kept_pairs(layout.n, p.k);
  const uint32_t step = columns_of_chunk(layout, most, recorder.caps());
  Tensor buffers[2];
  for (Tensor& t : buffers) {
    if (layout.n > kSortSize) t = recorder.scratch(Storage::kU32, {step, most, 2});
  }
  for (uint32_t first = 0; first < layout.columns; first += step) {
    Params params = base_params(p, layout);
    params.first_column = first;
    params.columns = std::min(step, layout.columns - first);
    Tensor source;
    for (uint32_t round = 0; params.n > kSortSize; ++round) {
      plan_sort_round(p, params, source, buffers[round % 2], recorder);
      source = buffers[round % 2];
      params.n = kept_pairs(params.n, p.k);
    }
    plan_sort_round(p, params, source, {}, recorder);
  }
}

struct RadixBuffers {
  Tensor pairs[2], counts;
};

void plan_radix_pass(const TopKProblem& p, const Params& params, const RadixBuffers& buffers, Recorder& recorder) {
  const uint32_t pass = params.shift / 8;
  const bool first = pass == 0, last = pass == 3;
  const Tensor& source = first ? p.x : buffers.pairs[pass % 2];
  const auto groups = fold_groups(uint64_t{params.columns} * params.blocks, recorder.caps());
  Dispatch count = base_dispatch(p, "radix_count", first);
  count.shader.defines.emplace_back("BLOCK", kRadixBlock);
  count.operands.push_back(in(source));
  count.operands.push_back(out(buffers.counts));
  count.set_uniforms(params);
  count.groups = groups;
  recorder.add(std::move(count));

  Dispatch scan;
  scan.name = "topk/radix_scan";
  scan.shader.file = "kernels/topk/topk_radix_scan.wgsl";
  scan.operands = {out(buffers.counts)};
  scan.set_uniforms(ScanParams{params.columns, params.blocks});
  scan.groups = fold_groups(params.columns, recorder.caps());
  recorder.add(std::move(scan));

  Dispatch scatter = base_dispatch(p, "radix_scatter", first);
  scatter.shader.defines.emplace_back("BLOCK", kRadixBlock);
  scatter.shader.defines.emplace_back("LAST", last ? 1u : 0u);
  scatter.operands.push_back(in(source));
  scatter.operands.push_back(in(buffers.counts));
  scatter.operands.push_back(out(last ? p.values : buffers.pairs[(pass + 1) % 2]));
  if (last) scatter.operands.push_back(out(p.indices));
  scatter.set_uniforms(params);
  scatter.groups = groups;
  recorder.add(std::move(scatter));
}

void plan_radix(const TopKProblem& p, const Layout& layout, Recorder& recorder) {
  const uint32_t step = columns_of_chunk(layout, layout.n, recorder.caps());
  const uint32_t blocks = ceil_div(layout.n, kRadixBlock);
  const RadixBuffers buffers = {
      {recorder.scratch(Storage::kU32, {step, layout.n, 2}), recorder.scratch(Storage::kU32, {step, layout.n, 2})},
      recorder.scratch(Storage::kU32, {step, blocks, kRadixDigits})};
  for (uint32_t first = 0; first < layout.columns; first += step) {
    Params params = base_params(p, layout);
    params.first_column = first;
    params.columns = std::min(step, layout.columns - first);
    params.blocks = blocks;
    for (params.shift = 0; params.shift < 32; params.shift += 8) plan_radix_pass(p, params, buffers, recorder);
  }
}

}  // namespace

void plan_topk(const TopKProblem& p, Recorder& recorder) {
  const Layout layout = check(p);
  if (p.values.elements() == 0) return;
  switch (choose(p, layout)) {
    case TopKVariant::kRank:
      return plan_rank(p, layout, recorder);
    case TopKVariant::kSort:
      return plan_sort(p, layout, recorder);
    default:
      return plan_radix(p, layout, recorder);
  }
}

}  // namespace sluice::kernels
