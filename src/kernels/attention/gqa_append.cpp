// Plans norm, rotation and cache append: one dispatch where the device binds enough buffers, else queries, keys and
// values apart (they do not depend on each other).
#include "kernels/attention/gqa_plan.h"

namespace sluice::kernels::gqa {
namespace {

constexpr uint32_t kWorkgroup = 128, kHeadLanes = 32;

Bindings bind(const GroupQueryAttentionProblem& p, const Sizes& s, Turning turning, const Tensor& rotated) {
  const Tensor none;
  Bindings bindings("gqa/append", "kernels/attention/gqa_append.wgsl");
  bindings.read("LEN", p.seqlens);
  bind_turning(p, s, turning, kHeadLanes, bindings);
  bindings.write("ROTATED", turning.q ? rotated : none)
      .write("KCACHE", turning.k ? p.key_cache : none)
      .write("VCACHE", turning.v ? p.value_cache : none)
      .define("D", s.head_size)
      .define("WG", kWorkgroup)
      .type("T", wgsl_type(p.query.storage));
  return bindings;
}

void add(const GroupQueryAttentionProblem& p, const Sizes& s, Turning turning, const Tensor& rotated,
         Recorder& recorder) {
  Params params = params_of(p, s);
  const uint64_t heads = (turning.q ? s.heads : 0) + (turning.k ? s.kv_heads : 0) + (turning.v ? s.kv_heads : 0);
  const uint64_t units = uint64_t{s.batch} * s.seq * heads;
  if (units > UINT32_MAX) fail("GroupQueryAttention", "{} heads of new tokens are too many", units);
  params.units = static_cast<uint32_t>(units);
  const auto groups = fold_groups(ceil_div64(units, kWorkgroup / kHeadLanes), recorder.caps());
  recorder.add(bind(p, s, turning, rotated).finish(params, groups));
}

}  // namespace

void bind_turning(const GroupQueryAttentionProblem& p, const Sizes& s, Turning turning, uint32_t lanes,
                  Bindings& bindings) {
  const Tensor none;
  const bool turned = turning.q || turning.k;
  const bool norm = turned && p.q_norm_weight;
  const bool rotary = turned && s.rotary_half > 0;
  const uint64_t angles = storage_bytes(p.cos_cache.storage, uint64_t{s.batch} * s.seq * s.rotary_half);
  bindings.read("Q", turning.q || s.packed ? p.query : none)
      .read("K", turning.k ? p.key : none)
      .read("V", turning.v ? p.value : none)
      .bind("COS", rotary, touching(angles, in(p.cos_cache)))
      .bind("SIN", rotary, touching(angles, in(p.sin_cache)))
      .read("POS", rotary ? p.position_ids : none)
      .read("QNORM", norm && turning.q ? p.q_norm_weight : none)
      .read("KNORM", norm && turning.k ? p.k_norm_weight : none)
      .define("TURN_Q", turning.q)
      .define("TURN_K", turning.k)
      .define("TURN_V", turning.v)
      .define("HEAD_LANES", lanes)
      .define("PACKED", s.packed)
      .define("NORM", norm)
      .define("INTERLEAVED", p.rotary_interleaved)
      .define("FIRST_ID", !p.exact_positions)
      .type("CS", wgsl_type(rotary ? p.cos_cache.storage : p.query.storage))
      .type("N", wgsl_type(norm ? p.q_norm_weight.storage : p.query.storage));
}

Tensor plan_append(const GroupQueryAttentionProblem& problem, const Sizes& sizes, Recorder& recorder) {
  const bool turn_query = sizes.rotary_half > 0 || problem.q_norm_weight;
  Tensor rotated;
  if (turn_query) {
    rotated = recorder.scratch(problem.query.storage, {sizes.batch, sizes.seq, sizes.heads * sizes.head_size});
  }
  const uint32_t limit = recorder.caps().max_storage_buffers;
  const auto fits = [&](Turning turning) { return bind(problem, sizes, turning, rotated).count() <= limit; };
  const Turning all{turn_query, true, true}, keys_values{false, true, true};
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
