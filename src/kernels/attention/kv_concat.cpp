// Keys or values from any layout, behind their past, as the (B, N, C, D) cache that attention reads.
#include "kernels/attention/attention.h"
#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "kv_concat";
constexpr uint32_t kGroup = 256;

// Mirrors Params of kv_concat.wgsl.
struct alignas(16) ConcatParams {
  uint32_t heads, past, rows, size, capacity, offset, batch_stride, token_stride, head_stride, bias_offset, elements;
  uint32_t pad0 = 0;
};
static_assert(sizeof(ConcatParams) == 48);

void check(const KvConcatProblem& p, uint32_t past_rows) {
  const auto& c = p.cache.shape;
  if (c.size() != 4) fail(kTag, "the cache must have 4 dimensions, got {}", c.size());
  if (p.past && p.past.shape != std::vector<uint32_t>{c[0], c[1], past_rows, c[3]}) {
    fail(kTag, "past must be [{}, {}, rows, {}], got [{}]", c[0], c[1], c[3], fmt::join(p.past.shape, ", "));
  }
  if (uint64_t{past_rows} + p.new_rows > c[2])
    fail(kTag, "a cache of {} rows cannot take {} old and {} new ones", c[2], past_rows, p.new_rows);
  for (const Tensor* t : {&p.rows.tensor, &p.past, &p.bias, &p.cache}) {
    if (*t && (t->storage != p.cache.storage || (t->storage != Storage::kF32 && t->storage != Storage::kF16)))
      fail(kTag, "past, new rows, bias and cache must share one type, float or float16");
    if (*t && t->elements() > UINT32_MAX) fail(kTag, "tensors may hold at most 2^32-1 elements, got {}", t->elements());
  }
  if (p.cache.slot == p.past.slot || p.cache.slot == p.rows.tensor.slot)
    fail(kTag, "the cache must lie in a buffer of its own");
  if (p.bias && p.bias_offset + uint64_t{c[1]} * c[3] > p.bias.elements())
    fail(kTag, "bias must have {} elements, got {}", p.bias_offset + uint64_t{c[1]} * c[3], p.bias.elements());
  if (p.new_rows == 0 || c[0] == 0 || c[1] == 0) return;
  const HeadsView& v = p.rows;
  const uint64_t last = v.offset + uint64_t{c[0] - 1} * v.batch_stride + uint64_t{p.new_rows - 1} * v.token_stride +
                        uint64_t{c[1] - 1} * v.head_stride + c[3];
  if (last > v.tensor.elements())
    fail(kTag, "[{}] does not hold {} rows of {} heads of {}", fmt::join(v.tensor.shape, ", "), p.new_rows, c[1], c[3]);
}

}  // namespace

void plan_kv_concat(const KvConcatProblem& p, Recorder& recorder) {
  const uint32_t past_rows = p.past && p.past.rank() == 4 ? p.past.shape[2] : 0;
  check(p, past_rows);
  const auto& cache = p.cache.shape;
  const uint32_t rows = past_rows + p.new_rows;
  const uint64_t elements = uint64_t{cache[0]} * cache[1] * rows * cache[3];
  if (elements == 0) return;
  const ConcatParams params{.heads = cache[1],
                            .past = past_rows,
                            .rows = rows,
                            .size = cache[3],
                            .capacity = cache[2],
                            .offset = p.rows.offset,
                            .batch_stride = p.rows.batch_stride,
                            .token_stride = p.rows.token_stride,
                            .head_stride = p.rows.head_stride,
                            .bias_offset = p.bias_offset,
                            .elements = static_cast<uint32_t>(elements)};
  const Tensor none;
  Bindings bindings("kv_concat", "kernels/attention/kv_concat.wgsl");
  bindings.read("NEW", p.new_rows > 0 ? p.rows.tensor : none)
      .read("PAST", past_rows > 0 ? p.past : none)
      .read("BIAS", p.bias)
      .write("CACHE", p.cache)
      .type("T", wgsl_type(p.cache.storage));
  recorder.add(bindings.finish(params, fold_groups(ceil_div64(elements, kGroup), recorder.caps())));
}

}  // namespace sluice::kernels
