#include "kernels/topk/topk.h"

#include <algorithm>
#include <bit>

#include "kernels/topk/topk_plan.h"

namespace sluice::kernels {
namespace topk {
namespace {

struct alignas(16) BytesParams {
  uint32_t axis, stride, k, elements;
};

uint32_t kind_of(Storage storage) {
  switch (storage) {
    case Storage::kF32:
    case Storage::kF16:
      return 0;
    case Storage::kI32:
      return 1;
    case Storage::kUnsigned:
      return 2;
    default:
      return 3;
  }
}

Layout check(const TopKProblem& p) {
  if (p.axis >= p.x.rank()) fail(kTag, "axis {} is outside the {} dimensions of X", p.axis, p.x.rank());
  if (p.x.storage == Storage::kU32) fail(kTag, "X must be of numbers, not bool");
  if (p.values.storage != p.x.storage) fail(kTag, "the values must have the type of X");
  if (p.indices.storage != Storage::kI32) fail(kTag, "the indices must be i32, got {}", wgsl_type(p.indices.storage));
  Layout layout;
  layout.n = p.x.shape[p.axis];
  if (p.k > layout.n) fail(kTag, "k is {}, more than the {} elements along axis {}", p.k, layout.n, p.axis);
  if (layout.n > 0x7fffffffu) fail(kTag, "{} elements along axis {} are beyond 2^31 - 1", layout.n, p.axis);
  if (p.x.elements() > 0xffffffffu) fail(kTag, "a tensor of {} elements is beyond 2^32 - 1", p.x.elements());
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

void check_variant(const TopKProblem& p, uint32_t n) {
  const auto limit = [&](TopKVariant variant, const char* what, uint32_t got, uint32_t most) {
    if (p.variant == variant && got > most) fail(kTag, "this kernel takes {} up to {}, got {}", what, most, got);
  };
  limit(TopKVariant::kRank, "columns", n, kRankLength);
  limit(TopKVariant::kSelect, "k", p.k, kSelectMost);
  limit(TopKVariant::kSort, "columns", n, kSortSize);
  limit(TopKVariant::kMerge, "columns", n, kSortSize * kMergeRuns);
}

TopKVariant choose(const TopKProblem& p, const Layout& layout) {
  check_variant(p, layout.n);
  if (p.variant != TopKVariant::kAuto) return p.variant;
  if (layout.n <= kRankLength / 2) return TopKVariant::kRank;
  if (p.k <= kWorkgroup) return TopKVariant::kSelect;
  if (layout.n <= kSortSize) return TopKVariant::kSort;
  const bool merges_fast = layout.n <= kSortSize * kMergeRuns / 2;
  // Selection of so many ends with a sort, so that it is only worth while where it removes most.
  if (p.k <= kSelectMost && !merges_fast) return TopKVariant::kSelect;
  return merges_fast ? TopKVariant::kMerge : TopKVariant::kRadix;
}

void plan_bytes(const TopKProblem& p, const Layout& layout, Recorder& recorder) {
  const auto elements = static_cast<uint32_t>(p.values.elements());
  Dispatch d;
  d.name = "topk/bytes";
  d.shader.file = "kernels/topk/topk_bytes.wgsl";
  d.operands = {in(p.x), in(p.indices), out(p.values)};
  d.set_uniforms(BytesParams{layout.n, layout.stride, p.k, elements});
  d.groups = fold_groups(ceil_div(ceil_div(elements, 4), kWorkgroup), recorder.caps());
  recorder.add(std::move(d));
}

}  // namespace

Bindings bindings(const TopKProblem& p, const std::string& name, const Tensor& source, bool last) {
  Bindings result("topk/" + name, "kernels/topk/topk_" + name + ".wgsl");
  result.type("X", wgsl_type(p.x.storage)).define("KIND", kind_of(p.x.storage)).define("LAST", last ? 1 : 0);
  result.read("X", p.x).read("SOURCE", source);
  result.write("VALUES", last && p.x.storage != Storage::kBytes ? p.values : Tensor{});
  result.write("INDICES", last ? p.indices : Tensor{});
  return result;
}

uint32_t fixed_subgroup(const gpu::Caps& caps) {
  return caps.subgroups && caps.subgroup_min == caps.subgroup_max ? caps.subgroup_max : 0;
}

void define_subgroups(Bindings& bindings, uint32_t workgroup, const gpu::Caps& caps) {
  const uint32_t size = fixed_subgroup(caps);
  const bool uses = size != 0 && workgroup % size == 0;
  bindings.define("SUBGROUPS", uses ? 1 : 0).define("SG", uses ? size : 1);
}

uint32_t columns_of_chunk(const Params& params, uint64_t elements, uint64_t bytes, const gpu::Caps& caps) {
  const uint64_t need = elements * bytes;
  if (need > caps.max_binding) {
    fail(kTag, "a column of {} elements needs a buffer of {} bytes, more than the device's limit of {}", params.n, need,
         caps.max_binding);
  }
  return static_cast<uint32_t>(std::min<uint64_t>(params.columns, caps.max_binding / need));
}

void plan_rank(const TopKProblem& p, Params params, Recorder& recorder) {
  const uint32_t width = std::max(4u, std::bit_ceil(params.n));
  recorder.add(bindings(p, "rank", {}, true)
                   .define("WG", kWorkgroup)
                   .define("WIDTH", width)
                   .finish(params, fold_groups(ceil_div(params.columns, kWorkgroup / width), recorder.caps())));
}

void add_last_sort(const TopKProblem& p, Params params, const Tensor& source, Recorder& recorder) {
  const uint32_t size = std::max(2u, std::bit_ceil(params.n));
  params.blocks = 1;
  recorder.add(bindings(p, "block", source, true)
                   .define("SIZE", size)
                   .define("WG", std::min(kWorkgroup, size / 2))
                   .define("PER", std::max(1u, size / 2 / kWorkgroup))
                   .finish(params, fold_groups(params.columns, recorder.caps())));
}

void plan_sort(const TopKProblem& p, Params params, Recorder& recorder) { add_last_sort(p, params, {}, recorder); }

}  // namespace topk

void plan_topk(const TopKProblem& p, Recorder& recorder) {
  const topk::Layout layout = topk::check(p);
  const TopKVariant variant = topk::choose(p, layout);
  if (p.values.elements() == 0) return;
  const topk::Params params{
      layout.columns, 0, layout.n, layout.n, layout.stride, p.k, p.largest ? ~0u : 0u, 1, 0, 0, 0};
  switch (variant) {
    case TopKVariant::kRank:
      topk::plan_rank(p, params, recorder);
      break;
    case TopKVariant::kSelect:
      topk::plan_select(p, params, recorder);
      break;
    case TopKVariant::kSort:
      topk::plan_sort(p, params, recorder);
      break;
    case TopKVariant::kMerge:
      topk::plan_merge(p, params, recorder);
      break;
    default:
      topk::plan_radix(p, params, recorder);
  }
  if (p.x.storage == Storage::kBytes) topk::plan_bytes(p, layout, recorder);
}

}  // namespace sluice::kernels
