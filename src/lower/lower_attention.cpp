// Attention operators and rotary embeddings as kernel plans.
#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/gqa.h"
#include "kernels/attention/gqa_window.h"
#include "kernels/attention/kv_cache.h"
#include "kernels/attention/rotary.h"
#include "lower/ops.h"

namespace sluice::lower {

namespace {

using kernels::HeadsView;

// --- GroupQueryAttention ---------------------------------------------------------------------------------------------

void refuse_quantised_cache(const Node& node) {
  refuse_input(node, 12, "k_scale");
  refuse_input(node, 13, "v_scale");
  refuse_attribute(node, "kv_cache_bit_width", 0);
  for (const char* name : {"k_quant_type", "v_quant_type"}) {
    if (const std::string type = node.s(name, "NONE"); type != "NONE")
      fail("lower", "{} must be NONE, got \"{}\"", name, type);
  }
}

void read_qk_output(Lowering& l, const Node& node, kernels::GroupQueryAttentionProblem& problem) {
  const int64_t kind = node.i("qk_output", 0);
  if (kind < 0 || kind > 2) fail("lower", "qk_output must be 0, 1 or 2, got {}", kind);
  if ((kind != 0) != (node.output(3) != graph::kNoValue))
    fail("lower", "qk_output is {}, but output 3 (output_qk) is {}", kind, kind != 0 ? "absent" : "wanted");
  problem.output_qk = l.output(node, 3);
  problem.qk_weights = kind == 2;
}

kernels::GroupQueryAttentionProblem group_query_problem(Lowering& l, const Node& node) {
  kernels::GroupQueryAttentionProblem problem;
  problem.query = l.input(node, 0);
  problem.key = l.input(node, 1);
  problem.value = l.input(node, 2);
  problem.seqlens = l.input(node, 5);
  problem.cos_cache = l.input(node, 7);
  problem.sin_cache = l.input(node, 8);
  problem.position_ids = l.input(node, 9);
  problem.attention_bias = l.input(node, 10);
  problem.head_sink = l.input(node, 11);
  problem.q_norm_weight = l.input(node, 14);
  problem.k_norm_weight = l.input(node, 15);
  problem.gate = l.input(node, 16);  // of joined nodes
  problem.output = l.output(node, 0);
  problem.num_heads = static_cast<uint32_t>(node.i("num_heads", 0));
  problem.kv_num_heads = static_cast<uint32_t>(node.i("kv_num_heads", 0));
  problem.scale = node.f("scale", 0);
  problem.softcap = node.f("softcap", 0);
  problem.do_rotary = node.i("do_rotary", 0) != 0;
  problem.rotary_interleaved = node.i("rotary_interleaved", 0) != 0;
  problem.local_window_size = static_cast<int32_t>(node.i("local_window_size", -1));
  problem.smooth_softmax = node.i("smooth_softmax", 0) > 0;
  problem.qk_norm_epsilon = node.f("qk_norm_epsilon", 1e-6f);
  problem.causal = node.i("causal", 1) != 0;
  problem.expected_keys = l.binding().length;
  read_qk_output(l, node, problem);
  return problem;
}

// The present cache; a scratch one of its shape where nobody wants it.
Tensor present_cache(Lowering& l, const Node& node, size_t present, size_t past_input, uint32_t new_rows) {
  Tensor cache = l.state_output(node, present, past_input);
  if (cache) return cache;
  const Tensor past = l.input(node, past_input);
  const Tensor query = l.input(node, 0);
  const auto kv_heads = static_cast<uint32_t>(node.i("kv_num_heads", 1));
  const auto heads = static_cast<uint32_t>(node.i("num_heads", 1)) + (node.has(1) ? 0 : 2 * kv_heads);
  const uint32_t rows = past ? past.shape[2] : 0;
  return l.recorder().scratch(query.storage, {query.shape[0], kv_heads, rows + new_rows, query.last() / heads});
}

}  // namespace

// Where the caller lets past and present share a buffer, the cache is a full one and its rows are where they belong,
// whatever sliding_window_cache says: the window hides the rest. Else the caller sees the layout that the model asks
// for.
void lower_group_query_attention(Lowering& l, const Node& node) {
  refuse_quantised_cache(node);
  kernels::GroupQueryAttentionProblem problem = group_query_problem(l, node);
  const uint32_t new_rows = problem.key ? problem.key.shape.at(1) : problem.query.shape.at(1);
  const Tensor past_key = l.input(node, 3), past_value = l.input(node, 4);
  problem.key_cache = present_cache(l, node, 1, 3, new_rows);
  problem.value_cache = present_cache(l, node, 2, 4, new_rows);
  if (!past_key || past_key.slot != problem.key_cache.slot) {
    if (node.i("sliding_window_cache", 0) != 0)
      return kernels::plan_windowed_group_query_attention(problem, past_key, past_value, l.recorder());
    kernels::plan_kv_begin({past_key, problem.key_cache, problem.seqlens, new_rows}, l.recorder());
    kernels::plan_kv_begin({past_value, problem.value_cache, problem.seqlens, new_rows}, l.recorder());
  }
  kernels::plan_group_query_attention(problem, l.recorder());
}

namespace {

// --- MultiHeadAttention ----------------------------------------------------------------------------------------------

// Query, key and value of MultiHeadAttention in whichever layout they come.
struct MultiHeadInputs {
  HeadsView query, key, value;
  uint32_t batch, seq, kv_tokens, key_size, value_size;
  bool is_cache;  // key and value are (B, N, T, D)
};

// One of `parts` vectors of each head of a (B, S, N, parts, D) tensor.
HeadsView packed_part(const Tensor& t, uint32_t part) {
  const auto& s = t.shape;
  const uint32_t head = s[3] * s[4], token = s[2] * head;
  return {t, part * s[4], s[1] * token, token, head};
}

MultiHeadInputs multi_head_inputs(Lowering& l, const Node& node, uint32_t heads) {
  const Tensor query = l.input(node, 0), key = l.input(node, 1), value = l.input(node, 2);
  MultiHeadInputs in{};
  in.batch = query.shape[0];
  in.seq = query.shape[1];
  if (query.rank() == 5) {
    in.query = packed_part(query, 0);
    in.key = packed_part(query, 1);
    in.value = packed_part(query, 2);
    in.kv_tokens = in.seq;
    in.key_size = in.value_size = query.last();
    return in;
  }
  in.query = kernels::token_major(query, heads);
  in.key_size = in.value_size = query.last() / heads;
  in.is_cache = key.rank() == 4;
  in.kv_tokens = key.shape[in.is_cache ? 2 : 1];
  if (key.rank() == 5) {
    in.key = packed_part(key, 0);
    in.value = packed_part(key, 1);
  } else if (in.is_cache) {
    in.key = kernels::head_major(key);
    in.value = kernels::head_major(value);
    in.value_size = value.last();
  } else {
    in.key = kernels::token_major(key, heads);
    in.value = kernels::token_major(value, heads);
    in.value_size = value.last() / heads;
  }
  return in;
}

// Past and new rows as one tensor (B, N, T, D): the present output, else a scratch tensor.
struct CacheOutput {
  size_t present, past_input;
  uint32_t heads, size;
};
Tensor concat_cache(Lowering& l, const Node& node, const CacheOutput& at, kernels::KvConcatProblem problem) {
  problem.past = l.input(node, at.past_input);
  problem.cache = l.state_output(node, at.present, at.past_input);
  if (problem.past && problem.cache.slot == problem.past.slot)
    fail("lower", "a cache in place is only supported by GroupQueryAttention");
  if (!problem.cache) {
    const Tensor& from = problem.rows.tensor;
    const uint32_t past = problem.past ? problem.past.shape[2] : 0;
    problem.cache = l.recorder().scratch(from.storage, {from.shape[0], at.heads, past + problem.new_rows, at.size});
  }
  kernels::plan_kv_concat(problem, l.recorder());
  return problem.cache;
}

HeadsView add_query_bias(Lowering& l, const MultiHeadInputs& in, const Tensor& bias, uint32_t heads) {
  const Tensor sum = l.recorder().scratch(in.query.tensor.storage, {in.batch, heads, in.seq, in.key_size});
  kernels::plan_kv_concat(
      {.rows = in.query, .new_rows = in.seq, .bias = bias, .bias_offset = 0, .past = {}, .cache = sum}, l.recorder());
  return kernels::head_major(sum);
}

}  // namespace

void lower_multi_head_attention(Lowering& l, const Node& node) {
  const auto heads = static_cast<uint32_t>(node.i("num_heads", 0));
  const MultiHeadInputs in = multi_head_inputs(l, node, heads);
  const Tensor bias = l.input(node, 3);
  kernels::AttentionProblem a;
  a.query = bias ? add_query_bias(l, in, bias, heads) : in.query;
  if (in.is_cache && node.output(1) == graph::kNoValue && node.output(2) == graph::kNoValue) {
    a.key = in.key.tensor;
    a.value = in.value.tensor;
  } else {
    // A key that is a cache already has its bias.
    const Tensor added = in.is_cache ? Tensor{} : bias;
    const uint32_t hidden = heads * in.key_size;
    a.key =
        concat_cache(l, node, {1, 6, heads, in.key_size}, {in.key, in.kv_tokens, added, hidden, Tensor{}, Tensor{}});
    a.value = concat_cache(l, node, {2, 7, heads, in.value_size},
                           {in.value, in.kv_tokens, added, 2 * hidden, Tensor{}, Tensor{}});
  }
  const uint32_t keys = a.key.shape[2];
  a.sizes = {in.batch, in.seq, heads, heads, keys, in.key_size, in.value_size};
  a.output = kernels::token_major(l.output(node, 0), heads);
  a.causal = node.i("unidirectional", 0) != 0;
  if (a.causal && in.kv_tokens != in.seq)
    fail("lower", "unidirectional needs as many new keys as queries, got {} and {}", in.kv_tokens, in.seq);
  a.past = keys - in.kv_tokens;
  const float scale = node.f("scale", 0);
  a.scale = scale != 0 ? scale : 1.0f / std::sqrt(static_cast<float>(in.key_size));
  a.padding = l.input(node, 4);
  // (3B + 2) begins with the B lengths; the rest are their running sums.
  if (a.padding.rank() == 1) a.padding.shape = {in.batch};
  a.padding_score = node.f("mask_filter_value", -10000.0f);
  a.mask = l.input(node, 5);
  a.qk = l.output(node, 3);
  a.qk_output = kernels::QkOutput::kMasked;
  a.hidden = -std::numeric_limits<float>::max();
  kernels::plan_attention(a, l.recorder());
}

namespace {

// --- ai.onnx Attention -----------------------------------------------------------------------------------------------

// The mask with four dimensions.
Tensor full_rank(Tensor mask) {
  if (mask) mask.shape.insert(mask.shape.begin(), 4 - mask.shape.size(), 1);
  return mask;
}

// left_window_size and right_window_size: keys before and after its own token that a row sees at most; -1 for all.
void read_windows(const Node& node, kernels::AttentionProblem& a) {
  const int64_t left = node.i("left_window_size", -1), right = node.i("right_window_size", -1);
  for (const int64_t size : {left, right}) {
    if (size < -1 || size > std::numeric_limits<int32_t>::max())
      fail("lower", "a window size must be -1 or more and fit in 32 bits, got {}", size);
  }
  if (left < 0 && right < 0) return;
  const uint32_t all = a.sizes.keys + a.sizes.seq;  // no row has more keys on either side
  const auto size_of = [&](int64_t size) {
    return size < 0 ? all : static_cast<uint32_t>(std::min<int64_t>(size, all));
  };
  if (!a.causal) a.ahead = size_of(right);
  a.causal = true;
  if (left >= 0) a.window = size_of(left) + 1 + a.ahead;
}

void read_options(const Node& node, kernels::AttentionProblem& a) {
  a.scale = node.f("scale", 1.0f / std::sqrt(static_cast<float>(a.sizes.key_size)));
  if (!(a.scale > 0)) fail("lower", "scale must be above 0, got {}", a.scale);
  a.softcap = node.f("softcap", 0);
  a.causal = node.i("is_causal", 0) != 0;
  const int64_t mode = node.i("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) fail("lower", "qk_matmul_output_mode must be 0 to 3, got {}", mode);
  a.qk_output = static_cast<kernels::QkOutput>(mode);
  // Float32 is at least as exact as what else may be asked for: float (1), float16 (10), bfloat16 (16).
  const int64_t precision = node.i("softmax_precision", 1);
  if (precision != 1 && precision != 10 && precision != 16)
    fail("lower", "softmax_precision must be 1, 10 or 16 (float, float16, bfloat16), got {}", precision);
}

}  // namespace

void lower_attention(Lowering& l, const Node& node) {
  const Tensor q = l.input(node, 0), k = l.input(node, 1), v = l.input(node, 2);
  const bool flat = q.rank() == 3;
  const uint32_t heads = flat ? static_cast<uint32_t>(node.i("q_num_heads", 0)) : q.shape[1];
  const uint32_t kv_heads = flat ? static_cast<uint32_t>(node.i("kv_num_heads", 0)) : k.shape[1];
  const auto view = [flat](const Tensor& t, uint32_t count) {
    return flat ? kernels::token_major(t, count) : kernels::head_major(t);
  };
  const uint32_t axis = flat ? 1 : 2, new_keys = k.shape[axis];
  kernels::AttentionProblem a;
  a.sizes = {.batch = q.shape[0],
             .seq = q.shape[axis],
             .heads = heads,
             .kv_heads = kv_heads,
             .keys = new_keys,
             .key_size = q.last() / (flat ? heads : 1),
             .value_size = v.last() / (flat ? kv_heads : 1)};
  a.query = view(q, heads);
  if (!flat && !node.has(4) && node.output(1) == graph::kNoValue && node.output(2) == graph::kNoValue) {
    a.key = k;
    a.value = v;
  } else {
    a.key = concat_cache(l, node, {1, 4, kv_heads, a.sizes.key_size},
                         {view(k, kv_heads), new_keys, Tensor{}, 0, Tensor{}, Tensor{}});
    a.value = concat_cache(l, node, {2, 5, kv_heads, a.sizes.value_size},
                           {view(v, kv_heads), new_keys, Tensor{}, 0, Tensor{}, Tensor{}});
    a.sizes.keys = a.key.shape[2];
  }
  a.past = a.sizes.keys - new_keys;
  a.output = view(l.output(node, 0), heads);
  read_options(node, a);
  a.mask = full_rank(l.input(node, 3));
  a.lengths = l.input(node, 6);
  if (a.lengths) a.past_of = kernels::PastOf::kLengthsAnySign;
  a.qk = l.output(node, 3);
  a.hidden = -std::numeric_limits<float>::infinity();
  read_windows(node, a);
  kernels::plan_attention(a, l.recorder());
}

// com.microsoft: (input, position_ids, cos, sin); ai.onnx 23: (input, cos, sin, position_ids).
void lower_rotary_embedding(Lowering& l, const Node& node) {
  const bool standard = node.domain.empty();
  refuse_attribute(node, "is_packed_batching", 0);
  kernels::plan_rotary_embedding({.x = l.input(node, 0),
                                  .position_ids = l.input(node, standard ? 3 : 1),
                                  .cos = l.input(node, standard ? 1 : 2),
                                  .sin = l.input(node, standard ? 2 : 3),
                                  .y = l.output(node, 0),
                                  .num_heads = static_cast<uint32_t>(node.i("num_heads", 0)),
                                  .rotary_embedding_dim = static_cast<uint32_t>(node.i("rotary_embedding_dim", 0)),
                                  .interleaved = node.i("interleaved", 0) != 0,
                                  .scale = node.f("scale", 1)},
                                 l.recorder());
}

}  // namespace sluice::lower
