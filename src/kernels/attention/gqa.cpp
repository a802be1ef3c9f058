#include "kernels/attention/gqa.h"

#include <cmath>

#include "kernels/attention/attention.h"
#include "kernels/attention/gqa_plan.h"

namespace sluice::kernels {
namespace gqa {
namespace {

constexpr const char* kTag = "GroupQueryAttention";

bool is_float(const Tensor& t) { return t.storage == Storage::kF32 || t.storage == Storage::kF16; }

void check_shape(const Tensor& t, const char* what, const std::vector<uint32_t>& shape) {
  if (t.shape != shape) fail(kTag, "{} must be [{}], got [{}]", what, fmt::join(shape, ", "), fmt::join(t.shape, ", "));
}

void check_vector(const Tensor& t, const char* what, uint32_t size) {
  if (!t) return;
  check_shape(t, what, {size});
  if (!is_float(t)) fail(kTag, "{} must be float or float16", what);
}

Sizes sizes_of(const GroupQueryAttentionProblem& p) {
  if (p.num_heads == 0 || p.kv_num_heads == 0 || p.num_heads % p.kv_num_heads != 0) {
    fail(kTag, "num_heads must be a multiple of kv_num_heads, got {} and {}", p.num_heads, p.kv_num_heads);
  }
  if (p.query.rank() != 3) fail(kTag, "query must have 3 dimensions, got {}", p.query.rank());
  if (bool(p.key) != bool(p.value)) fail(kTag, "key and value must both be given or both be packed into query");
  Sizes s{};
  s.packed = !p.key;
  s.batch = p.query.shape[0];
  s.seq = p.query.shape[1];
  s.heads = p.num_heads;
  s.kv_heads = p.kv_num_heads;
  s.group = s.heads / s.kv_heads;
  const uint32_t query_heads = s.packed ? s.heads + 2 * s.kv_heads : s.heads;
  s.head_size = p.query.last() / query_heads;
  if (p.query.last() % query_heads != 0) {
    fail(kTag, "the last dimension of query must be a multiple of its {} heads, got {}", query_heads, p.query.last());
  }
  if (s.head_size == 0 || s.head_size % 8 != 0) fail(kTag, "head size must be a multiple of 8, got {}", s.head_size);
  s.appends = s.packed || p.key.rank() != 3 || p.key.shape[1] != 0;
  if (p.key_cache.rank() != 4) fail(kTag, "the key cache must have 4 dimensions, got {}", p.key_cache.rank());
  s.capacity = p.key_cache.shape[2];
  return s;
}

void check_tensors(const GroupQueryAttentionProblem& p, const Sizes& s) {
  if (!s.packed) {
    const uint32_t rows = s.appends ? s.seq : 0;
    check_shape(p.key, "key", {s.batch, rows, s.kv_heads * s.head_size});
    check_shape(p.value, "value", {s.batch, rows, s.kv_heads * s.head_size});
  }
  check_shape(p.key_cache, "the key cache", {s.batch, s.kv_heads, s.capacity, s.head_size});
  check_shape(p.value_cache, "the value cache", {s.batch, s.kv_heads, s.capacity, s.head_size});
  check_shape(p.output, "output", {s.batch, s.seq, s.heads * s.head_size});
  for (const Tensor* t : {&p.query, &p.key, &p.value, &p.key_cache, &p.value_cache, &p.output}) {
    if (!*t && t != &p.key && t != &p.value) fail(kTag, "query, both caches and output are required");
    if (*t && (!is_float(*t) || t->storage != p.query.storage)) {
      fail(kTag, "query, key, value, caches and output must share one type, float or float16");
    }
  }
  if (p.seqlens.storage != Storage::kI32 || p.seqlens.elements() != s.batch) {
    fail(kTag, "seqlens_k must be {} integers, got {}", s.batch, p.seqlens.elements());
  }
  if (s.capacity < s.seq) fail(kTag, "a cache of {} rows cannot take {} new tokens", s.capacity, s.seq);
  if (uint64_t{s.batch} * s.kv_heads * s.capacity * s.head_size > UINT32_MAX) {
    fail(kTag, "a cache may hold at most 2^32-1 elements, got {}", p.key_cache.elements());
  }
}

uint32_t check_rotary(const GroupQueryAttentionProblem& p, const Sizes& s) {
  if (!p.do_rotary) return 0;
  if (!p.cos_cache || !p.sin_cache) fail(kTag, "do_rotary needs cos_cache and sin_cache");
  if (p.cos_cache.rank() != 2 || p.cos_cache.shape != p.sin_cache.shape || p.cos_cache.elements() == 0) {
    fail(kTag, "cos_cache and sin_cache must be 2-dimensional, alike and not empty");
  }
  if (!is_float(p.cos_cache) || p.cos_cache.storage != p.sin_cache.storage) {
    fail(kTag, "cos_cache and sin_cache must share one type, float or float16");
  }
  const uint32_t half = p.cos_cache.last();
  if (2 * half > s.head_size) fail(kTag, "rotary dimension {} exceeds the head size {}", 2 * half, s.head_size);
  if (p.position_ids &&
      (p.position_ids.storage != Storage::kI32 || p.position_ids.elements() != uint64_t{s.batch} * s.seq)) {
    fail(kTag, "position_ids must be [{}, {}] integers", s.batch, s.seq);
  }
  return half;
}

void check_options(const GroupQueryAttentionProblem& p, const Sizes& s) {
  check_vector(p.head_sink, "head_sink", s.heads);
  check_vector(p.q_norm_weight, "q_norm_weight", s.head_size);
  check_vector(p.k_norm_weight, "k_norm_weight", s.head_size);
  if (bool(p.q_norm_weight) != bool(p.k_norm_weight))
    fail(kTag, "q_norm_weight and k_norm_weight must both be given or none");
  if (p.q_norm_weight && p.q_norm_weight.storage != p.k_norm_weight.storage) {
    fail(kTag, "q_norm_weight and k_norm_weight must share one type");
  }
  if (p.gate) {
    check_shape(p.gate, "gate", p.output.shape);
    if (p.gate.storage != p.output.storage) fail(kTag, "gate and output must share one type");
  }
  if (p.head_sink && p.smooth_softmax) fail(kTag, "head_sink and smooth_softmax exclude one another");
  if (p.local_window_size == 0 || p.local_window_size < -1) {
    fail(kTag, "local_window_size must be -1 or at least 1, got {}", p.local_window_size);
  }
  if (p.softcap < 0) fail(kTag, "softcap must not be negative, got {}", p.softcap);
  if (!p.causal && p.local_window_size != -1)
    fail(kTag, "local_window_size must be -1 where causal is 0, got {}", p.local_window_size);
  if (p.output_qk && (p.output_qk.rank() != 4 || p.output_qk.last() > s.capacity)) {
    fail(kTag, "output_qk must be [{}, {}, {}, at most {}], got [{}]", s.batch, s.heads, s.seq, s.capacity,
         fmt::join(p.output_qk.shape, ", "));
  }
  if (!p.attention_bias) return;
  const auto& shape = p.attention_bias.shape;
  if (!is_float(p.attention_bias) || shape.size() != 4 || (shape[0] != 1 && shape[0] != s.batch) ||
      (shape[1] != 1 && shape[1] != s.heads) || shape[2] != s.seq || shape[3] == 0) {
    fail(kTag, "attention_bias must be [1 or {}, 1 or {}, {}, total length], got [{}]", s.batch, s.heads, s.seq,
         fmt::join(shape, ", "));
  }
  if (p.attention_bias.elements() > UINT32_MAX) fail(kTag, "attention_bias may hold at most 2^32-1 elements");
}

}  // namespace

Sizes check(const GroupQueryAttentionProblem& problem) {
  Sizes sizes = sizes_of(problem);
  check_tensors(problem, sizes);
  sizes.rotary_half = check_rotary(problem, sizes);
  check_options(problem, sizes);
  return sizes;
}

// What the kernels for causal attention over heads of at most 256 do not have.
void plan_general(const GroupQueryAttentionProblem& p, const Sizes& s, Recorder& recorder) {
  if (p.gate) fail(kTag, "a gate needs heads of at most 256, causal attention and no output_qk");
  const Tensor query = plan_append(p, s, recorder);
  AttentionProblem a;
  a.sizes = {.batch = s.batch,
             .seq = s.seq,
             .heads = s.heads,
             .kv_heads = s.kv_heads,
             .keys = p.output_qk ? p.output_qk.last() : s.capacity,
             .key_size = s.head_size,
             .value_size = s.head_size};
  a.query = token_major(query, 1);
  a.query.head_stride = s.head_size;
  a.key = p.key_cache;
  a.value = p.value_cache;
  a.output = token_major(p.output, s.heads);
  a.lengths = p.seqlens;
  a.length_bias = 1;
  a.causal = p.causal;
  a.past_of = PastOf::kLengths;
  a.window = p.local_window_size > 0 ? static_cast<uint32_t>(p.local_window_size) : 0;
  a.scale = p.scale != 0 ? p.scale : 1.0f / std::sqrt(static_cast<float>(s.head_size));
  a.softcap = p.softcap;
  a.mask = p.attention_bias;
  if (a.mask && a.mask.last() > a.sizes.keys)
    fail(kTag, "attention_bias has {} columns for {} keys", a.mask.last(), a.sizes.keys);
  a.sink = p.head_sink;
  a.smooth = p.smooth_softmax;
  a.qk = p.output_qk;
  a.qk_output = p.qk_weights ? QkOutput::kWeights : QkOutput::kMasked;
  plan_attention(a, recorder);
}

}  // namespace gqa

void plan_group_query_attention(const GroupQueryAttentionProblem& problem, Recorder& recorder) {
  const gqa::Sizes sizes = gqa::check(problem);
  if (sizes.batch == 0 || sizes.seq == 0) return;
  if (sizes.head_size > 256 || problem.output_qk || !problem.causal) {
    gqa::plan_general(problem, sizes, recorder);
  } else {
    gqa::plan_attend(problem, sizes, gqa::choose(problem, sizes, recorder.caps()), recorder);
  }
}

}  // namespace sluice::kernels
