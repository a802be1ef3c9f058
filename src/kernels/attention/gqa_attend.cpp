// Chooses and plans the attention kernel.
//
// A KV head's query rows are (new token, head of its group). Up to 32 of them go to the decode kernel, which is built
// for memory bandwidth: blocks of at most 8 rows share every key and value read. More go to the prefill kernel, which
// is built for arithmetic: tiles of 64 rows by 32 keys. Both cut the keys into splits where the blocks alone would
// leave the device idle; the number of splits follows from the capacity, the length of each from the sequence length
// that the GPU reads. A third kernel joins them.
//
// Every index is in range whatever seqlens holds: last_key() clamps to the capacity, and score() to the bias's columns.
#include <algorithm>
#include <cmath>

#include "kernels/attention/gqa_plan.h"
#include "kernels/common/bindings.h"

namespace sluice::kernels::gqa {
namespace {

// Mirrors Params of gqa_common.wgsl.
struct alignas(16) AttendParams {
  uint32_t seq, heads, kv_heads, group, capacity, q_stride, rows, blocks, splits, workgroups, window;
  uint32_t bias_batch = 0, bias_head = 0, bias_row = 0;
  float scale, softcap;
};
static_assert(sizeof(AttendParams) == 64);

constexpr uint32_t kDecodeRows = 32;    // at most, for the decode kernel
constexpr uint32_t kDecodeGroup = 256;  // invocations
constexpr uint32_t kPrefillRows = 64, kPrefillKeys = 32;
constexpr uint32_t kPrefillTileVec4 = 384;  // workgroup memory for values
constexpr uint32_t kTargetGroups = 256;     // enough workgroups to fill a large GPU

struct Variant {
  bool decode;
  uint32_t rows;   // of a block
  uint32_t keys;   // of a tile
  uint32_t lanes;  // decode: invocations that share a key
  uint32_t splits;
};

// Workgroup memory of the decode kernel, bytes: query rows, sums by invocation, weights, and what is kept per row.
uint32_t decode_memory(uint32_t rows, uint32_t head_size, uint32_t keys) {
  return 4 * (rows * head_size + kDecodeGroup * std::max(rows, 4u) + rows * keys + 14 * rows);
}

uint32_t decode_block_rows(uint32_t rows, uint32_t head_size, uint32_t keys) {
  // Longer heads would need too many registers for 8 rows.
  const bool eight = head_size <= 128 && decode_memory(8, head_size, keys) <= 16384;
  const uint32_t most = eight ? 8 : 4;
  for (uint32_t block = 1; block < most; block *= 2) {
    if (rows <= block) return block;
  }
  return most;
}

Variant choose(const GroupQueryAttentionProblem& p, const Sizes& s) {
  const uint64_t rows = uint64_t{s.seq} * s.group;
  Variant v{};
  v.decode = rows <= kDecodeRows;
  if (v.decode) {
    v.lanes = s.head_size > 128 && s.head_size % 32 == 0 ? 8 : s.head_size % 16 == 0 ? 4 : 2;
    v.keys = kDecodeGroup / v.lanes;
    v.rows = decode_block_rows(static_cast<uint32_t>(rows), s.head_size, v.keys);
  } else {
    v.rows = kPrefillRows;
    v.keys = kPrefillKeys;
  }
  const uint64_t blocks = ceil_div64(rows, v.rows) * s.batch * s.kv_heads;
  uint64_t most_keys = s.capacity;
  if (p.local_window_size > 0) {
    most_keys = std::min<uint64_t>(most_keys, static_cast<uint64_t>(p.local_window_size) + ceil_div64(v.rows, s.group));
  }
  // Joining costs a dispatch: a split must save at least the time of two tiles.
  const uint64_t tiles = ceil_div64(most_keys, v.keys);
  v.splits =
      static_cast<uint32_t>(std::clamp<uint64_t>(kTargetGroups / blocks, 1, v.decode ? tiles : ceil_div64(tiles, 4)));
  if (tiles <= 2) v.splits = 1;
  return v;
}

AttendParams params_of(const GroupQueryAttentionProblem& p, const Sizes& s, const Variant& v, const Tensor& query) {
  AttendParams params{};
  params.seq = s.seq;
  params.heads = s.heads;
  params.kv_heads = s.kv_heads;
  params.group = s.group;
  params.capacity = s.capacity;
  params.q_stride = query.last() / 4;
  params.rows = s.seq * s.group;
  params.blocks = ceil_div(params.rows, v.rows);
  params.splits = v.splits;
  params.window = p.local_window_size > 0 ? static_cast<uint32_t>(p.local_window_size) : 0;
  params.scale = p.scale != 0 ? p.scale : 1.0f / std::sqrt(static_cast<float>(s.head_size));
  params.softcap = p.softcap;
  if (p.attention_bias) {
    const auto& shape = p.attention_bias.shape;
    params.bias_row = shape[3];
    params.bias_head = shape[1] == 1 ? 0 : shape[2] * shape[3];
    params.bias_batch = shape[0] == 1 ? 0 : shape[1] * shape[2] * shape[3];
  }
  return params;
}

struct Partials {
  Tensor sums, stats;  // of each split of each row: sum of exp(score - max) * value; max and sum of exp(score - max)
};

Dispatch attend(const GroupQueryAttentionProblem& p, const Sizes& s, const Variant& v, const Tensor& query,
                const Partials& partials, AttendParams params, const gpu::Caps& caps) {
  const bool split = v.splits > 1;
  const Tensor none;
  Bindings bindings(v.decode ? "gqa/decode" : "gqa/prefill",
                    v.decode ? "kernels/attention/gqa_decode.wgsl" : "kernels/attention/gqa_prefill.wgsl");
  bindings.read("LEN", p.seqlens)
      .read("Q", query)
      .read("K", p.key_cache)
      .read("V", p.value_cache)
      .read("BIAS", p.attention_bias)
      .read("SINK", split ? none : p.head_sink)
      .write("OUT", split ? none : p.output)
      .write("SUMS", partials.sums)
      .write("STATS", partials.stats)
      .define("D", s.head_size)
      .define("SPLIT", split)
      .define("SMOOTH", p.smooth_softmax)
      .define("SOFTCAP", p.softcap > 0)
      .type("T", wgsl_type(p.query.storage))
      .type("BT", wgsl_type(p.attention_bias ? p.attention_bias.storage : p.query.storage))
      .type("SK", wgsl_type(p.head_sink ? p.head_sink.storage : p.query.storage));
  if (v.decode) {
    bindings.define("ROWS", v.rows).define("LANES", v.lanes).define("WG", kDecodeGroup);
  } else {
    uint32_t value_keys = kPrefillKeys;
    while (value_keys * s.head_size / 4 > kPrefillTileVec4) value_keys /= 2;
    bindings.define("V_KEYS", value_keys);
  }
  bindings.in_bounds();
  const uint64_t groups = uint64_t{s.batch} * s.kv_heads * params.blocks * v.splits;
  params.workgroups = static_cast<uint32_t>(groups);
  return bindings.finish(params, fold_groups(groups, caps));
}

Dispatch combine(const GroupQueryAttentionProblem& p, const Sizes& s, const Variant& v, const Partials& partials,
                 AttendParams params, const gpu::Caps& caps) {
  Bindings bindings("gqa/combine", "kernels/attention/gqa_combine.wgsl");
  bindings.read("LEN", p.seqlens)
      .read("SUMS", partials.sums)
      .read("STATS", partials.stats)
      .read("SINK", p.head_sink)
      .write("OUT", p.output)
      .define("D", s.head_size)
      .define("ROWS", v.rows)
      .define("KEYS", v.keys)
      .define("SMOOTH", p.smooth_softmax)
      .type("T", wgsl_type(p.query.storage))
      .type("SK", wgsl_type(p.head_sink ? p.head_sink.storage : p.query.storage))
      .in_bounds();
  const uint64_t groups = uint64_t{s.batch} * s.kv_heads * params.rows;
  params.workgroups = static_cast<uint32_t>(groups);
  return bindings.finish(params, fold_groups(groups, caps));
}

}  // namespace

void plan_attend(const GroupQueryAttentionProblem& problem, const Sizes& sizes, const Tensor& query,
                 Recorder& recorder) {
  const Variant variant = choose(problem, sizes);
  const AttendParams params = params_of(problem, sizes, variant, query);
  Partials partials;
  if (variant.splits > 1) {
    const uint32_t parts = sizes.batch * sizes.kv_heads * params.rows * variant.splits;
    partials.sums = recorder.scratch(Storage::kF32, {parts, sizes.head_size});
    partials.stats = recorder.scratch(Storage::kF32, {parts, 2});
  }
  recorder.add(attend(problem, sizes, variant, query, partials, params, recorder.caps()));
  if (variant.splits > 1) recorder.add(combine(problem, sizes, variant, partials, params, recorder.caps()));
}

}  // namespace sluice::kernels::gqa
