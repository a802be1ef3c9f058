#include "kernels/attention/kv_cache.h"

#include <algorithm>

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

// Mirrors Params of kv_copy.wgsl.
struct alignas(16) CopyParams {
  uint32_t heads, rows, cols, from_rows, to_rows;
  uint32_t pad0 = 0, pad1 = 0, pad2 = 0;
};
static_assert(sizeof(CopyParams) == 32);

// Mirrors Params of kv_begin.wgsl.
struct alignas(16) BeginParams {
  uint32_t heads, past, capacity, size, seq, elements;
  uint32_t pad0 = 0, pad1 = 0;
};
static_assert(sizeof(BeginParams) == 32);

constexpr uint32_t kGroup = 256;

void check(const char* tag, const Tensor& from, const Tensor& to) {
  if (from.rank() != 4 || to.rank() != 4 || from.shape[0] != to.shape[0] || from.shape[1] != to.shape[1] ||
      from.shape[3] != to.shape[3]) {
    fail(tag, "both caches must be [batch, heads, rows, head size] and differ in rows only, got [{}] and [{}]",
         fmt::join(from.shape, ", "), fmt::join(to.shape, ", "));
  }
  if (from.storage != to.storage || (from.storage != Storage::kF32 && from.storage != Storage::kF16)) {
    fail(tag, "both caches must share one type, float or float16");
  }
  if (from.slot == to.slot) fail(tag, "a cache cannot be copied onto itself");
  if (std::max(from.elements(), to.elements()) > UINT32_MAX) fail(tag, "a cache may hold at most 2^32-1 elements");
}

void plan_copy(const Tensor& from, const Tensor& to, Recorder& recorder) {
  const uint32_t vec = from.last() % 4 == 0 ? 4 : 1;
  const CopyParams params{
      .heads = from.shape[0] * from.shape[1],
      .rows = std::min(from.shape[2], to.shape[2]),
      .cols = from.last() / vec,
      .from_rows = from.shape[2],
      .to_rows = to.shape[2],
  };
  const uint64_t elements = uint64_t{params.heads} * params.rows * params.cols;
  if (elements == 0) return;
  Bindings bindings("kv_copy", "kernels/attention/kv_copy.wgsl");
  bindings.read("FROM", from).write("TO", to).define("VEC", vec).type("T", wgsl_type(from.storage));
  recorder.add(bindings.finish(params, fold_groups(ceil_div64(elements, kGroup), recorder.caps())));
}

}  // namespace

void plan_kv_copy(const Tensor& past, const Tensor& cache, Recorder& recorder) {
  check("kv_copy", past, cache);
  if (past.shape[2] > cache.shape[2])
    fail("kv_copy", "a past of {} rows does not fit a cache of {}", past.shape[2], cache.shape[2]);
  plan_copy(past, cache, recorder);
}

void plan_kv_begin(const KvBeginProblem& p, Recorder& recorder) {
  constexpr const char* kTag = "kv_begin";
  if (p.past) {
    check(kTag, p.past, p.cache);
    if (p.past.shape[2] > p.cache.shape[2])
      fail(kTag, "a past of {} rows does not fit a cache of {}", p.past.shape[2], p.cache.shape[2]);
  }
  if (p.cache.rank() != 4 || p.cache.elements() > UINT32_MAX)
    fail(kTag, "a cache must have 4 dimensions and at most 2^32-1 elements, got [{}]", fmt::join(p.cache.shape, ", "));
  const auto& shape = p.cache.shape;
  if (p.seqlens.storage != Storage::kI32 || p.seqlens.elements() != shape[0])
    fail(kTag, "seqlens_k must be {} integers, got {}", shape[0], p.seqlens.elements());
  const BeginParams params{.heads = shape[1],
                           .past = p.past ? p.past.shape[2] : 0,
                           .capacity = shape[2],
                           .size = shape[3],
                           .seq = p.new_rows,
                           .elements = static_cast<uint32_t>(p.cache.elements())};
  if (params.elements == 0) return;
  Bindings bindings("kv_begin", "kernels/attention/kv_begin.wgsl");
  bindings.read("LEN", p.seqlens)
      .read("PAST", params.past > 0 ? p.past : Tensor{})
      .write("CACHE", p.cache)
      .type("T", wgsl_type(p.cache.storage));
  recorder.add(bindings.finish(params, fold_groups(ceil_div(params.elements, kGroup), recorder.caps())));
}

void plan_kv_resize(const Tensor& from, const Tensor& to, Recorder& recorder) {
  check("kv_resize", from, to);
  plan_copy(from, to, recorder);
}

}  // namespace sluice::kernels
