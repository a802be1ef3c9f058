// Plans norm, rotation and cache append: one dispatch where the device binds enough buffers, else queries, keys and
// values apart (they do not depend on each other).
#include "kernels/attention/gqa_plan.h"
#include "kernels/common/bindings.h"

namespace sluice::kernels::gqa {
namespace {

// Mirrors Params of gqa_append.wgsl.
struct alignas(16) AppendParams {
  uint32_t seq, tokens, q_heads, k_heads, v_heads, kv_heads, capacity, positions, half, q_stride, kv_stride, k_offset,
      v_offset;
  float epsilon;
  uint32_t pad0 = 0, pad1 = 0;
};
static_assert(sizeof(AppendParams) == 64);

constexpr uint32_t kUnitsPerGroup = 4;  // WG / LANES

// Which heads one dispatch handles.
struct Parts {
  bool q, k, v;
};

Bindings bind(const GroupQueryAttentionProblem& p, const Sizes& s, Parts parts, const Tensor& rotated) {
  const Tensor none;
  const bool turned = parts.q || parts.k;
  const bool norm = turned && p.q_norm_weight;
  const bool rotary = turned && s.rotary_half > 0;
  Bindings bindings("gqa/append", "kernels/attention/gqa_append.wgsl");
  bindings.read("LEN", p.seqlens)
      .read("Q", parts.q || s.packed ? p.query : none)
      .read("K", parts.k ? p.key : none)
      .read("V", parts.v ? p.value : none)
      .read("COS", rotary ? p.cos_cache : none)
      .read("SIN", rotary ? p.sin_cache : none)
      .read("POS", rotary ? p.position_ids : none)
      .read("QNORM", norm && parts.q ? p.q_norm_weight : none)
      .read("KNORM", norm && parts.k ? p.k_norm_weight : none)
      .write("ROTATED", parts.q ? rotated : none)
      .write("KCACHE", parts.k ? p.key_cache : none)
      .write("VCACHE", parts.v ? p.value_cache : none)
      .define("D", s.head_size)
      .define("PACKED", s.packed)
      .define("NORM", norm)
      .define("INTERLEAVED", p.rotary_interleaved)
      .define("FIRST_ID", !p.exact_positions)
      .type("T", wgsl_type(p.query.storage))
      .type("CS", wgsl_type(rotary ? p.cos_cache.storage : p.query.storage))
      .type("N", wgsl_type(norm ? p.q_norm_weight.storage : p.query.storage))
      .in_bounds();  // the shader checks rows of the cache against its capacity and clamps positions to the tables
  return bindings;
}

void add(const GroupQueryAttentionProblem& p, const Sizes& s, Parts parts, const Tensor& rotated, Recorder& recorder) {
  const uint32_t token = p.query.last();
  const AppendParams params{
      .seq = s.seq,
      .tokens = s.batch * s.seq,
      .q_heads = parts.q ? s.heads : 0,
      .k_heads = parts.k ? s.kv_heads : 0,
      .v_heads = parts.v ? s.kv_heads : 0,
      .kv_heads = s.kv_heads,
      .capacity = s.capacity,
      .positions = s.rotary_half > 0 ? p.cos_cache.shape[0] : 1,
      .half = s.rotary_half,
      .q_stride = token,
      .kv_stride = s.packed ? token : s.kv_heads * s.head_size,
      .k_offset = s.heads * s.head_size,
      .v_offset = (s.heads + s.kv_heads) * s.head_size,
      .epsilon = p.qk_norm_epsilon,
  };
  const uint64_t units = uint64_t{params.tokens} * (params.q_heads + params.k_heads + params.v_heads);
  const auto groups = fold_groups(ceil_div64(units, kUnitsPerGroup), recorder.caps());
  recorder.add(bind(p, s, parts, rotated).finish(params, groups));
}

}  // namespace

Tensor plan_append(const GroupQueryAttentionProblem& problem, const Sizes& sizes, Recorder& recorder) {
  const bool turn_query = sizes.rotary_half > 0 || problem.q_norm_weight;
  Tensor rotated;
  if (turn_query) {
    rotated = recorder.scratch(problem.query.storage, {sizes.batch, sizes.seq, sizes.heads * sizes.head_size});
  }
  const uint32_t limit = recorder.caps().max_storage_buffers;
  const auto fits = [&](Parts parts) { return bind(problem, sizes, parts, rotated).count() <= limit; };
  const Parts all{turn_query, true, true}, keys_values{false, true, true};
  if (!sizes.appends) {
    if (turn_query) add(problem, sizes, {true, false, false}, rotated, recorder);
  } else if (fits(all)) {
    add(problem, sizes, all, rotated, recorder);
  } else {
    if (turn_query) add(problem, sizes, {true, false, false}, rotated, recorder);
    if (fits(keys_values)) {
      add(problem, sizes, keys_values, rotated, recorder);
    } else {
      add(problem, sizes, {false, true, false}, rotated, recorder);
      add(problem, sizes, {false, false, true}, rotated, recorder);
    }
  }
  return turn_query ? rotated : problem.query;
}

}  // namespace sluice::kernels::gqa
