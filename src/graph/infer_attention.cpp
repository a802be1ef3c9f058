// Attention with and without caches, and rotary embeddings. B batch, S new tokens, P past tokens, T total, N heads, D
// head size.
#include <algorithm>

#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

constexpr int64_t kMaxHeads = 1 << 20;

// `dim / count`, which must be a constant.
int64_t per_head(NodeInfer& n, const Dim& dim, int64_t count, std::string_view what) {
  if (!dim.is_constant() || dim.value < 1 || dim.value % count != 0) {
    n.refuse("{} must be a multiple of {}, got {}", what, count, n.text(dim));
  }
  return dim.value / count;
}

void expect_pair(NodeInfer& n, size_t i, size_t j, std::string_view names) {
  if (n.has(i) != n.has(j)) n.refuse("{} must be given both or neither", names);
}

struct GroupQuery {
  Dim batch, tokens;
  int64_t heads, kv_heads, head_size;
  bool is_packed;
};

GroupQuery read_group_query(NodeInfer& n) {
  n.expect_float(0, "query");
  n.expect_rank(0, "query", 3);
  expect_pair(n, 1, 2, "key and value");
  expect_pair(n, 3, 4, "past_key and past_value");
  GroupQuery q;
  q.batch = n.shape(0)[0];
  q.tokens = n.shape(0)[1];
  q.heads = n.attribute("num_heads", 1, kMaxHeads);
  q.kv_heads = n.attribute("kv_num_heads", 1, kMaxHeads);
  if (q.heads % q.kv_heads != 0) n.refuse("num_heads {} is not a multiple of kv_num_heads {}", q.heads, q.kv_heads);
  q.is_packed = !n.has(1);
  const int64_t parts = q.is_packed ? q.heads + 2 * q.kv_heads : q.heads;
  q.head_size = per_head(n, n.shape(0)[2], parts,
                         q.is_packed ? "the packed query's last dimension" : "the query's last dimension");
  if (q.head_size % 8 != 0) n.problem("the head size must be a multiple of 8, got {}", q.head_size);
  return q;
}

void check_group_query_inputs(NodeInfer& n, const GroupQuery& q) {
  const int64_t kv_size = q.kv_heads * q.head_size;
  for (const size_t i : {size_t{1}, size_t{2}}) {
    const std::string_view name = i == 1 ? "key" : "value";
    n.expect_same_dtype(0, i, "query, key and value");
    n.expect_rank(i, name, 3);
    if (n.has(i)) n.expect_shape(i, name, {q.batch, n.shape(1)[1], {kv_size, 0}});
  }
  const bool reads_only = n.has(1) && n.shape(1)[1] == Dim{0, 0};
  if (n.has(1) && !reads_only && surely_differ(n.shape(1)[1], q.tokens))
    n.problem("key has {} tokens, query {}; only 0 may differ", n.text(n.shape(1)[1]), n.text(q.tokens));
  if (reads_only && !n.has(3)) n.problem("key without tokens needs past_key and past_value");
  n.expect_dtype(5, "seqlens_k", {DType::kInt32});
  if (n.rank(5) == 2) {
    n.expect_shape(5, "seqlens_k", {q.batch, {1, 0}});
  } else {
    n.expect_shape(5, "seqlens_k", {q.batch});
  }
  n.expect_dtype(6, "total_sequence_length", {DType::kInt32});
  if (const auto elements = constant_elements(n.shape(6)); elements && *elements != 1) {
    n.problem("total_sequence_length must have one element, got {}", n.text(n.shape(6)));
  }
  n.expect_dtype(9, "position_ids", {DType::kInt64});
  n.expect_shape(9, "position_ids", {q.batch, q.tokens});
  n.expect_rank(10, "attention_bias", 4);
  n.expect_shape(11, "head_sink", {{q.heads, 0}});
  expect_pair(n, 14, 15, "q_norm_weight and k_norm_weight");
  n.expect_shape(14, "q_norm_weight", {{q.head_size, 0}});
  n.expect_shape(15, "k_norm_weight", {{q.head_size, 0}});
}

void check_rotary_caches(NodeInfer& n, size_t cos, int64_t head_size) {
  n.expect_rank(cos, "cos_cache", 2);
  n.expect_shape(cos + 1, "sin_cache", n.shape(cos));
  const Dim& half = n.shape(cos)[1];
  if (half.is_constant() && (half.value < 1 || half.value > head_size / 2)) {
    n.problem("cos_cache must have 1 to {} columns, got {}", head_size / 2, n.text(n.shape(cos)));
  }
}

void check_past(NodeInfer& n, const GroupQuery& q) {
  for (const size_t i : {size_t{3}, size_t{4}}) {
    const std::string_view name = i == 3 ? "past_key" : "past_value";
    n.expect_rank(i, name, 4);
    if (!n.has(i)) continue;
    // Quantized caches may pack two values into a byte.
    const Dim width = is_float(n.dtype(i)) ? Dim{q.head_size, 0} : n.shape(i)[3];
    n.expect_shape(i, name, {q.batch, {q.kv_heads, 0}, n.shape(i)[2], width});
  }
}

// What numbers known at compile time say about each other.
void check_lengths(NodeInfer& n, const GroupQuery& q) {
  const std::vector<Dim>* total = n.known_ints(6);
  if (total == nullptr || total->size() != 1 || !total->front().is_constant()) return;
  const int64_t length = total->front().value;
  if (n.has(7) && n.node().i("do_rotary", 0) != 0 && n.shape(7)[0].is_constant() && n.shape(7)[0].value < length)
    n.problem("cos_cache has {} rows for a total_sequence_length of {}", n.shape(7)[0].value, length);
  const Dim past = n.has(3) ? n.shape(3)[2] : Dim{0, 0};
  const Dim tokens = n.has(1) ? n.shape(1)[1] : q.tokens;
  const bool is_windowed = n.node().i("sliding_window_cache", 0) != 0;
  if (!is_windowed && past.is_constant() && tokens.is_constant() && length > past.value &&
      length != past.value + tokens.value) {
    n.problem("total_sequence_length is {}, past and new tokens make {}", length, past.value + tokens.value);
  }
  const std::vector<Dim>* lengths = n.known_ints(5);
  if (lengths == nullptr) return;
  for (const Dim& one : *lengths) {
    if (one.is_constant() && (one.value < 0 || one.value >= length))
      n.problem("seqlens_k must be 0 to {}, got {}", length - 1, one.value);
  }
}

// Length of the caches afterwards. A past that is shorter than the total grows by the new tokens; one of fixed
// capacity, which the new tokens are written into, stays as it is.
Dim present_length(NodeInfer& n, const Dim& past, const Dim& tokens) {
  if (n.node().i("sliding_window_cache", 0) != 0 && past.is_constant() && past.value > 0) return past;
  const std::vector<Dim>* total = n.known_ints(6);
  if (total != nullptr && total->size() == 1) {
    const Dim& length = total->front();
    if (length.symbol == past.symbol) return {std::max(length.value, past.value), past.symbol};
    if (past.is_constant() && past.value > 0) return past;
  }
  return sum(past, tokens, n.graph());
}

void infer_group_query(NodeInfer& n) {
  if (!n.has(5) || !n.has(6)) n.refuse("seqlens_k and total_sequence_length are missing");
  const GroupQuery q = read_group_query(n);
  check_group_query_inputs(n, q);
  check_past(n, q);
  expect_pair(n, 7, 8, "cos_cache and sin_cache");
  if (n.node().i("do_rotary", 0) != 0 && !n.has(7)) n.problem("do_rotary needs cos_cache and sin_cache");
  if (n.has(7)) check_rotary_caches(n, 7, q.head_size);
  check_lengths(n, q);
  n.set(0, n.dtype(0), {q.batch, q.tokens, {q.heads * q.head_size, 0}});
  const size_t cache = n.has(3) ? 3 : 0;
  Shape present = {q.batch, {q.kv_heads, 0}, {0, 0}, {q.head_size, 0}};
  if (n.has(3)) present = n.shape(3);
  const Dim new_tokens = q.is_packed ? q.tokens : n.shape(1)[1];
  present[2] = present_length(n, present[2], new_tokens);
  n.set(1, n.dtype(cache), present);
  n.set(2, n.dtype(cache), present);
  if (!n.wants(3)) return;
  const std::vector<Dim>* total = n.known_ints(6);
  if (total == nullptr || total->size() != 1) n.refuse("output_qk needs a total_sequence_length known at compile time");
  n.set(3, n.dtype(0), {q.batch, {q.heads, 0}, q.tokens, total->front()});
}

// Caches of MultiHeadAttention and Attention: (B, N, P, D) each, growing by `tokens`.
struct Cache {
  size_t past_key, past_value;  // inputs
  Dim batch, tokens;
  int64_t heads, key_size, value_size;
};

Dim set_presents(NodeInfer& n, const Cache& cache) {
  expect_pair(n, cache.past_key, cache.past_value, "past_key and past_value");
  Dim total = cache.tokens;
  if (n.has(cache.past_key)) {
    n.expect_rank(cache.past_key, "past_key", 4);
    n.expect_rank(cache.past_value, "past_value", 4);
    const Dim past = n.shape(cache.past_key)[2];
    n.expect_shape(cache.past_key, "past_key", {cache.batch, {cache.heads, 0}, past, {cache.key_size, 0}});
    n.expect_shape(cache.past_value, "past_value", {cache.batch, {cache.heads, 0}, past, {cache.value_size, 0}});
    total = sum(past, cache.tokens, n.graph());
  }
  const DType dtype = n.has(cache.past_key) ? n.dtype(cache.past_key) : n.dtype(0);
  n.set(1, dtype, {cache.batch, {cache.heads, 0}, total, {cache.key_size, 0}});
  n.set(2, dtype, {cache.batch, {cache.heads, 0}, total, {cache.value_size, 0}});
  return total;
}

// Where MultiHeadAttention's query, key and value come from.
struct MultiHead {
  int64_t heads, key_size, value_size;
  Dim batch, tokens, kv_tokens;
};

MultiHead read_packed_query(NodeInfer& n, int64_t heads) {
  const Shape& query = n.shape(0);
  if (n.has(1) || n.has(2)) n.refuse("a packed query (rank 5) holds key and value too: they must be absent");
  const int64_t size = per_head(n, query[4], 1, "the head size");
  n.expect_shape(0, "packed query", {query[0], query[1], {heads, 0}, {3, 0}, {size, 0}});
  return {heads, size, size, query[0], query[1], query[1]};
}

MultiHead read_multi_head(NodeInfer& n) {
  const int64_t heads = n.attribute("num_heads", 1, kMaxHeads);
  const Shape& query = n.shape(0);
  if (query.size() == 5) return read_packed_query(n, heads);
  if (query.size() != 3) n.refuse("query must have rank 3 or 5, got {}", n.text(query));
  if (!n.has(1)) n.refuse("a query of rank 3 needs a key");
  const int64_t size = per_head(n, query[2], heads, "the query's last dimension");
  MultiHead m{heads, size, size, query[0], query[1], n.rank(1) > 1 ? n.shape(1)[1] : Dim{1, 0}};
  if (n.rank(1) == 5) {
    if (n.has(2)) n.refuse("a packed key (rank 5) holds the value too: value must be absent");
    if (n.has(3)) n.problem("bias is not supported with a packed key");
    n.expect_shape(1, "packed key", {m.batch, m.kv_tokens, {heads, 0}, {2, 0}, {size, 0}});
    return m;
  }
  if (!n.has(2)) n.refuse("value is missing");
  if (n.rank(1) != n.rank(2) || (n.rank(1) != 3 && n.rank(1) != 4))
    n.refuse("key {} and value {} must both have rank 3 or 4", n.text(n.shape(1)), n.text(n.shape(2)));
  if (n.rank(1) == 4) {  // (B, N, T, D): cross attention
    if (n.has(6)) n.problem("past_key and past_value are not supported with a key of rank 4");
    m.kv_tokens = n.shape(1)[2];
    m.value_size = per_head(n, n.shape(2)[3], 1, "the value's last dimension");
    n.expect_shape(1, "key", {m.batch, {heads, 0}, m.kv_tokens, {size, 0}});
    n.expect_shape(2, "value", {m.batch, {heads, 0}, m.kv_tokens, {m.value_size, 0}});
  } else {
    m.value_size = per_head(n, n.shape(2)[2], heads, "the value's last dimension");
    n.expect_shape(1, "key", {m.batch, m.kv_tokens, query[2]});
    n.expect_shape(2, "value", {m.batch, m.kv_tokens, n.shape(2)[2]});
  }
  return m;
}

void check_multi_head_masks(NodeInfer& n, const MultiHead& m, const Dim& total) {
  n.expect_dtype(4, "key_padding_mask", {DType::kInt32});
  if (n.has(4)) {
    const Shape& mask = n.shape(4);
    const bool is_length = mask.size() == 1 && (!surely_differ(mask[0], m.batch) ||
                                                (m.batch.is_constant() && mask[0] == Dim{3 * m.batch.value + 2, 0}));
    if (mask.size() == 2) n.expect_shape(4, "key_padding_mask", {m.batch, total});
    if (mask.size() == 3) n.expect_shape(4, "key_padding_mask", {m.batch, m.tokens, total});
    if (!is_length && mask.size() != 2 && mask.size() != 3)
      n.problem("key_padding_mask must be [B], [3B+2], [B, T] or [B, S, T], got {}", n.text(mask));
  }
  if (!n.has(5)) return;
  n.expect_rank(5, "attention_bias", 4);
  const Shape all = {m.batch, {m.heads, 0}, m.tokens, total};
  for (size_t i = 0; i < 4; ++i) {
    const Dim& dim = n.shape(5)[i];
    if (surely_differ(dim, all[i]) && !(i < 2 && dim == Dim{1, 0}))
      n.problem("attention_bias must broadcast to {}, got {}", n.text(all), n.text(n.shape(5)));
  }
}

void infer_multi_head(NodeInfer& n) {
  n.expect_float(0, "query");
  for (const size_t i : {1, 2, 3, 5, 6, 7}) n.expect_same_dtype(0, i, "query and the other float inputs");
  if (n.has(8)) n.refuse("input past_sequence_length (a shared cache buffer) is not supported");
  if (n.has(9)) n.refuse("input cache_indirection (beam search) is not supported");
  const MultiHead m = read_multi_head(n);
  if (n.has(3)) n.expect_shape(3, "bias", {{m.heads * (2 * m.key_size + m.value_size), 0}});
  const Dim total = set_presents(n, {6, 7, m.batch, m.kv_tokens, m.heads, m.key_size, m.value_size});
  check_multi_head_masks(n, m, total);
  n.set(0, n.dtype(0), {m.batch, m.tokens, {m.heads * m.value_size, 0}});
  n.set(3, n.dtype(0), {m.batch, {m.heads, 0}, m.tokens, total});
}

// attn_mask against (B, N, S, T), and nonpad_kv_seqlen.
void check_attention_mask(NodeInfer& n, const Shape& all) {
  if (n.has(3)) {
    if (n.dtype(3) != DType::kBool) n.expect_same_dtype(0, 3, "Q and an attn_mask that is not bool");
    const Shape& mask = n.shape(3);
    if (mask.size() > 4 || mask.empty()) n.refuse("attn_mask must have rank 1 to 4, got {}", n.text(mask));
    const size_t missing = 4 - mask.size();
    for (size_t i = 0; i < mask.size(); ++i) {
      const Dim& want = all[i + missing];
      if (!surely_differ(mask[i], want) || (i + missing < 3 && mask[i] == Dim{1, 0})) continue;
      const bool is_short = mask[i].is_constant() && want.is_constant() && mask[i].value < want.value;
      if (i + missing == 3 && is_short && mask[i].value > 1 && n.opset() >= 24) continue;
      n.problem("attn_mask must broadcast to {}, got {}", n.text(all), n.text(mask));
    }
  }
  if (!n.has(6)) return;
  n.expect_dtype(6, "nonpad_kv_seqlen", {DType::kInt64});
  n.expect_shape(6, "nonpad_kv_seqlen", {all[0]});
  if (n.has(4)) n.problem("nonpad_kv_seqlen and past_key exclude one another");
  if (n.wants(1) || n.wants(2)) n.problem("nonpad_kv_seqlen and present outputs exclude one another");
  const std::vector<Dim>* lengths = n.known_ints(6);
  if (lengths == nullptr || !all[3].is_constant()) return;
  for (const Dim& one : *lengths) {
    if (one.is_constant() && (one.value < 0 || one.value > all[3].value))
      n.problem("nonpad_kv_seqlen must be 0 to {}, got {}", all[3].value, one.value);
  }
}

// ai.onnx: (B, S, N * D) with head counts as attributes, or (B, N, S, D).
void infer_attention(NodeInfer& n) {
  n.expect_float(0, "Q");
  const size_t rank = n.rank(0);
  if ((rank != 3 && rank != 4) || n.rank(1) != rank || n.rank(2) != rank)
    n.refuse("Q, K and V must have one rank, 3 or 4");
  const bool is_flat = rank == 3;
  const size_t token_axis = is_flat ? 1 : 2;
  const auto head_count = [&](size_t i, std::string_view attribute) {
    return is_flat ? n.attribute(attribute, 1, kMaxHeads) : per_head(n, n.shape(i)[1], 1, "a head count");
  };
  const auto head_size = [&](size_t i, int64_t heads) {
    return per_head(n, n.shape(i).back(), is_flat ? heads : 1, "the last dimension of Q, K or V");
  };
  const int64_t heads = head_count(0, "q_num_heads");
  const int64_t kv_heads = head_count(1, "kv_num_heads");
  if (heads % kv_heads != 0) n.refuse("{} query heads are not a multiple of {} key heads", heads, kv_heads);
  const int64_t key_size = head_size(1, kv_heads);
  const int64_t value_size = head_size(2, kv_heads);
  if (head_size(0, heads) != key_size)
    n.problem("Q {} and K {} differ in head size", n.text(n.shape(0)), n.text(n.shape(1)));
  if (surely_differ(n.shape(1)[token_axis], n.shape(2)[token_axis])) {
    n.problem("K {} and V {} differ in length", n.text(n.shape(1)), n.text(n.shape(2)));
  }
  const Dim& batch = n.shape(0)[0];
  const Dim& tokens = n.shape(0)[token_axis];
  const Dim total = set_presents(n, {4, 5, batch, n.shape(1)[token_axis], kv_heads, key_size, value_size});
  for (const size_t i : {1, 2, 4, 5}) n.expect_same_dtype(0, i, "Q, K, V and the past");
  for (const size_t i : {1, 2}) {
    if (surely_differ(n.shape(i)[0], batch)) n.problem("Q, K and V must agree in batch, got {}", n.text(n.shape(i)));
  }
  check_attention_mask(n, {batch, {heads, 0}, tokens, total});
  n.set(3, n.dtype(0), {batch, {heads, 0}, tokens, total});
  if (is_flat) {
    n.set(0, n.dtype(0), {batch, tokens, {heads * value_size, 0}});
  } else {
    n.set(0, n.dtype(0), {batch, {heads, 0}, tokens, {value_size, 0}});
  }
}

void check_rotary(NodeInfer& n, size_t cos, size_t position_ids) {
  n.expect_float(0, "the input");
  n.expect_dtype(position_ids, "position_ids", {DType::kInt64});
  if (n.rank(0) != 3 && n.rank(0) != 4) n.refuse("the input must have rank 3 or 4, got {}", n.text(n.shape(0)));
  n.expect_shape(cos + 1, "sin_cache", n.shape(cos));
  const int64_t partial = n.attribute("rotary_embedding_dim", 0, kMaxElements, 0);
  if (partial != 0 && n.rank(0) == 3 && n.node().i("num_heads", 0) == 0)
    n.problem("rotary_embedding_dim needs num_heads");
  n.set(0, n.dtype(0), n.shape(0));
}

void infer_rotary_microsoft(NodeInfer& n) { check_rotary(n, 2, 1); }
void infer_rotary(NodeInfer& n) { check_rotary(n, 1, 3); }

constexpr OpRule kRules[] = {
    {kMicrosoft, "GroupQueryAttention", 1, infer_group_query},
    {kMicrosoft, "MultiHeadAttention", 1, infer_multi_head},
    {kMicrosoft, "RotaryEmbedding", 4, infer_rotary_microsoft},
    {kOnnx, "RotaryEmbedding", 3, infer_rotary},
    {kOnnx, "Attention", 3, infer_attention},
};

}  // namespace

std::span<const OpRule> attention_rules() { return kRules; }

}  // namespace sluice::graph
