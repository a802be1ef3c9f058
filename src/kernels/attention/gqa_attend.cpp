// Plans attention in a given variant: the decode or the prefill kernel, and the one that joins splits.
//
// Every index is in range whatever seqlens holds: last_key() clamps to the capacity, score() to the bias's columns,
// position() to the tables, and a new row beyond the capacity is not stored.
#include <algorithm>
#include <cmath>

#include "kernels/attention/gqa_plan.h"

namespace sluice::kernels::gqa {
namespace {

constexpr uint32_t kCombineGroup = 256;
constexpr uint32_t kCombineStats = 512;     // of splits, in workgroup memory
constexpr uint32_t kManyRows = 1024;        // that keep the device busy with a thread for each of their columns
constexpr uint32_t kPrefillTileVec4 = 384;  // workgroup memory for values

struct Partials {
  Tensor sums, stats;  // of each split of each row: sum of exp(score - max) * value; max and sum of exp(score - max)
};

void define_decode(const GroupQueryAttentionProblem& p, const Sizes& s, const Variant& v, Bindings& bindings) {
  bindings.define("LANES", v.lanes)
      .define("ROW_LANES", v.lanes / v.rows)
      .define("JOINED", v.joined)
      .define("SUBGROUPS", v.subgroups)
      .define("HALF", p.query.storage == Storage::kF16);
  if (!v.turns) {
    bindings.read("Q", p.query);
    return;
  }
  const uint32_t lanes = std::min(32u, std::bit_floor(v.workgroup / (v.rows + 2)));
  bind_turning(p, s, {true, true, true}, lanes, bindings);
}

// For profiles: of a cache the windows of all new tokens are read, and where the kernel appends, it is written, too.
Operand cache_operand(const Tensor& cache, const GroupQueryAttentionProblem& p, const Sizes& s, const Variant& v) {
  Operand operand = v.turns ? out(cache) : in(cache);
  operand.updated = v.turns;
  if (p.local_window_size > 0) {
    const uint64_t keys =
        std::min<uint64_t>(s.capacity, uint64_t{s.seq} - 1 + static_cast<uint32_t>(p.local_window_size));
    operand.touched = storage_bytes(cache.storage, keys * s.batch * s.kv_heads * s.head_size);
  }
  return operand;
}

void define_prefill(const GroupQueryAttentionProblem& p, const Sizes& s, const Variant& v, Bindings& bindings) {
  bindings.read("Q", p.query);
  if (v.kernel == Kernel::kPrefillMatrices) {
    bindings.define("SUBGROUP", v.workgroup / 4).define("PAIRS", s.head_size / 32);
    return;
  }
  uint32_t value_keys = v.keys;
  while (value_keys * s.head_size / 4 > kPrefillTileVec4) value_keys /= 2;
  bindings.define("V_KEYS", value_keys);
}

Bindings kernel_of(const Variant& v) {
  switch (v.kernel) {
    case Kernel::kDecode:
      return {"gqa/decode", "kernels/attention/gqa_decode.wgsl"};
    case Kernel::kPrefill:
      return {"gqa/prefill", "kernels/attention/gqa_prefill.wgsl"};
    default:
      return {"gqa/prefill_matrices", "kernels/attention/gqa_prefill_matrices.wgsl"};
  }
}

Bindings bind_attend(const GroupQueryAttentionProblem& p, const Sizes& s, const Variant& v, const Partials& partials) {
  const bool split = v.splits > 1;
  const Tensor none;
  Bindings bindings = kernel_of(v);
  bindings.read("LEN", p.seqlens);
  v.kernel == Kernel::kDecode ? define_decode(p, s, v, bindings) : define_prefill(p, s, v, bindings);
  bindings.bind("KCACHE", true, cache_operand(p.key_cache, p, s, v))
      .bind("VCACHE", true, cache_operand(p.value_cache, p, s, v))
      .read("BIAS", p.attention_bias)
      .read("SINK", split ? none : p.head_sink)
      .read("GATE", split ? none : p.gate)
      .write("OUT", split ? none : p.output)
      .write("SUMS", partials.sums)
      .write("STATS", partials.stats)
      .define("D", s.head_size)
      .define("ROWS", v.rows)
      .define("KEYS", v.keys)
      .define("WG", v.workgroup)
      .define("TURN", v.turns)
      .define("SPLIT", split)
      .define("SMOOTH", p.smooth_softmax)
      .define("SOFTCAP", p.softcap > 0)
      .type("T", wgsl_type(p.query.storage))
      .type("BT", wgsl_type(p.attention_bias ? p.attention_bias.storage : p.query.storage))
      .type("SK", wgsl_type(p.head_sink ? p.head_sink.storage : p.query.storage));
  return bindings;
}

Dispatch combine(const GroupQueryAttentionProblem& p, const Sizes& s, const Variant& v, const Partials& partials,
                 Params params, const gpu::Caps& caps) {
  const uint32_t columns = s.head_size / 4;
  params.units = s.batch * s.kv_heads * params.rows;
  const uint32_t parts = params.units > kManyRows ? 1 : std::min(v.splits, kCombineGroup / columns);
  const uint32_t rows = std::min(kCombineGroup / (columns * parts), kCombineStats / v.splits);
  Bindings bindings("gqa/combine", "kernels/attention/gqa_combine.wgsl");
  bindings.read("LEN", p.seqlens)
      .read("SUMS", partials.sums)
      .read("STATS", partials.stats)
      .read("SINK", p.head_sink)
      .read("GATE", p.gate)
      .write("OUT", p.output)
      .define("D", s.head_size)
      .define("WG", kCombineGroup)
      .define("ROWS", v.rows)
      .define("KEYS", v.keys)
      .define("SPLITS", v.splits)
      .define("PARTS", parts)
      .define("GROUP_ROWS", rows)
      .define("TURN", v.turns)
      .define("SMOOTH", p.smooth_softmax)
      .type("T", wgsl_type(p.query.storage))
      .type("SK", wgsl_type(p.head_sink ? p.head_sink.storage : p.query.storage));
  params.workgroups = ceil_div(params.units, rows);
  return bindings.finish(params, fold_groups(params.workgroups, caps));
}

}  // namespace

Params params_of(const GroupQueryAttentionProblem& p, const Sizes& s) {
  const uint32_t token = p.query.last();
  Params params{};
  params.seq = s.seq;
  params.heads = s.heads;
  params.kv_heads = s.kv_heads;
  params.group = s.group;
  params.capacity = s.capacity;
  params.q_stride = token;
  params.kv_stride = s.packed ? token : s.kv_heads * s.head_size;
  params.k_offset = s.heads * s.head_size;
  params.v_offset = (s.heads + s.kv_heads) * s.head_size;
  params.positions = s.rotary_half > 0 ? p.cos_cache.shape[0] : 1;
  params.half = s.rotary_half;
  params.rows = s.seq * s.group;
  params.window = p.local_window_size > 0 ? static_cast<uint32_t>(p.local_window_size) : 0;
  params.scale = p.scale != 0 ? p.scale : 1.0f / std::sqrt(static_cast<float>(s.head_size));
  params.softcap = p.softcap;
  params.epsilon = p.qk_norm_epsilon;
  if (p.attention_bias) {
    const auto& shape = p.attention_bias.shape;
    params.bias_row = shape[3];
    params.bias_head = shape[1] == 1 ? 0 : shape[2] * shape[3];
    params.bias_batch = shape[0] == 1 ? 0 : shape[1] * shape[2] * shape[3];
  }
  return params;
}

bool can_turn(const GroupQueryAttentionProblem& problem, const Sizes& sizes, const gpu::Caps& caps) {
  if (sizes.seq != 1 || !sizes.appends) return false;
  const Tensor some{0, Storage::kF32, {}};
  Variant v = decode_variant(sizes, 1, true, caps);
  const uint32_t whole = bind_attend(problem, sizes, v, {}).count();
  v.splits = 2;
  return std::max(whole, bind_attend(problem, sizes, v, {some, some}).count()) <= caps.max_storage_buffers;
}

void plan_attend(const GroupQueryAttentionProblem& problem, const Sizes& sizes, const Variant& variant,
                 Recorder& recorder) {
  GroupQueryAttentionProblem p = problem;
  if (!variant.turns) p.query = plan_append(problem, sizes, recorder);
  Params params = params_of(p, sizes);
  params.blocks = ceil_div(params.rows, variant.rows);
  params.splits = variant.splits;
  Partials partials;
  if (variant.splits > 1) {
    const uint32_t parts = sizes.batch * sizes.kv_heads * params.rows * variant.splits;
    partials.sums = recorder.scratch(Storage::kF32, {parts, sizes.head_size});
    partials.stats = recorder.scratch(Storage::kF32, {parts, 2});
  }
  const uint64_t groups = uint64_t{sizes.batch} * sizes.kv_heads * params.blocks * variant.splits;
  params.workgroups = static_cast<uint32_t>(groups);
  recorder.add(bind_attend(p, sizes, variant, partials).finish(params, fold_groups(groups, recorder.caps())));
  if (variant.splits > 1) recorder.add(combine(p, sizes, variant, partials, params, recorder.caps()));
}

}  // namespace sluice::kernels::gqa
