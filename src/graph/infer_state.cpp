// Operators of com.microsoft that carry a state of fixed size from token to token.
#include <algorithm>

#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

constexpr int64_t kMaxHeads = 1 << 20;
constexpr int64_t kMaxDilation = 1 << 30;

int64_t constant_dim(NodeInfer& n, const Dim& dim, std::string_view what) {
  if (!dim.is_constant() || dim.value < 1 || dim.value > kMaxElements)
    n.refuse("{} must be a constant, got {}", what, n.text(dim));
  return dim.value;
}

// input (B, C, L), weight (C, 1, K), bias (C)?, past_state (B, C, N)? -> output (B, C, L), present_state (B, C, N) with
// N = (K - 1) * dilation; (B, L, d...) and (B, N, d...) with channels_last
void infer_causal_conv(NodeInfer& n) {
  n.attribute("ndim", 1, 1, 1);
  n.expect_float(0, "input");
  n.expect_rank(1, "weight", 3);
  n.expect_same_dtype(0, 1, "input and weight");
  n.attribute("state_window", 0, 0, 0);
  const int64_t dilation = n.attribute("dilation", 1, kMaxDilation, 1);
  const bool channels_last = n.attribute("channels_last", 0, 1, 0) != 0;
  const Shape& x = n.shape(0);
  if (!channels_last) n.expect_rank(0, "input", 3);
  if (x.size() < 3) n.refuse("input must have 3 or more dimensions, got {}", n.text(x));
  const int64_t taps = constant_dim(n, n.shape(1)[2], "the kernel size");
  const Dim channels = channels_last ? product(std::span(x).subspan(2), n.graph()) : x[1];
  n.expect_shape(1, "weight", {channels, {1, 0}, {taps, 0}});
  n.expect_shape(2, "bias", {channels});
  Shape state = x;
  state[channels_last ? 1 : 2] = {saturating_mul(taps - 1, dilation), 0};
  n.expect_shape(3, "past_state", state);
  n.set(0, n.dtype(0), x);
  n.set(1, n.dtype(n.has(3) ? 3 : 0), state);
}

// query (B, T, Hq*dk), key (B, T, Hk*dk), value (B, T, Hkv*dv), past_state (B, Hkv, dk, dv)?, decay?, beta?
//   -> output (B, T, max(Hq, Hkv)*dv), present_state (B, Hkv, dk, dv)
void infer_linear_attention(NodeInfer& n) {
  for (size_t i = 0; i < 3; ++i) {
    n.expect_float(i, "query, key and value");
    n.expect_rank(i, "query, key and value", 3);
  }
  n.attribute("state_window", 0, 0, 0);
  const int64_t heads = n.attribute("q_num_heads", 1, kMaxHeads);
  const int64_t state_heads = n.attribute("kv_num_heads", 1, kMaxHeads);
  if (heads % state_heads != 0 && state_heads % heads != 0) {
    n.refuse("q_num_heads {} and kv_num_heads {} do not divide each other", heads, state_heads);
  }
  const Shape& query = n.shape(0);
  const int64_t width = constant_dim(n, query[2], "the query's last dimension");
  const int64_t value_width = constant_dim(n, n.shape(2)[2], "the value's last dimension");
  if (width % heads != 0) n.refuse("the query's last dimension {} is not a multiple of q_num_heads {}", width, heads);
  if (value_width % state_heads != 0) {
    n.refuse("the value's last dimension {} is not a multiple of kv_num_heads {}", value_width, state_heads);
  }
  const int64_t key_size = width / heads;
  const int64_t value_size = value_width / state_heads;
  if (constant_dim(n, n.shape(1)[2], "the key's last dimension") % key_size != 0) {
    n.problem("key {} does not hold heads of {}", n.text(n.shape(1)), key_size);
  }
  n.expect_shape(1, "key", {query[0], query[1], n.shape(1)[2]});
  n.expect_shape(2, "value", {query[0], query[1], n.shape(2)[2]});
  const Shape state = {query[0], {state_heads, 0}, {key_size, 0}, {value_size, 0}};
  n.expect_shape(3, "past_state", state);
  const std::string rule = n.node().s("update_rule", "gated_delta");
  if (rule.starts_with("gated") && !n.has(4)) n.problem("update_rule {} needs decay", rule);
  if (rule.ends_with("delta") && !n.has(5)) n.problem("update_rule {} needs beta", rule);
  n.expect_rank(4, "decay", 3);
  n.expect_rank(5, "beta", 3);
  n.set(0, n.dtype(0), {query[0], query[1], {saturating_mul(std::max(heads, state_heads), value_size), 0}});
  n.set(1, n.dtype(n.has(3) ? 3 : 0), state);
}

// a (B, T, H), dt_bias (H), decay_scale (H), b (B, T, H)? -> decay (B, T, H), beta (B, T, H)?
void infer_linear_gate(NodeInfer& n) {
  n.expect_float(0, "a");
  n.expect_rank(0, "a", 3);
  const Shape heads = {n.shape(0).back()};
  for (const size_t i : {size_t{1}, size_t{2}}) {
    n.expect_dtype(i, "dt_bias and decay_scale", {DType::kFloat});
    n.expect_shape(i, i == 1 ? "dt_bias" : "decay_scale", heads);
  }
  n.expect_same_dtype(0, 3, "a and b");
  n.expect_shape(3, "b", n.shape(0));
  if (n.wants(1) && !n.has(3)) n.problem("output beta needs input b");
  n.set(0, n.dtype(0), n.shape(0));
  n.set(1, n.dtype(0), n.shape(0));
}

// X (..., H*C), scale (C), gate (..., H*C) -> Y (..., H*C)
void infer_gated_rms_norm(NodeInfer& n) {
  n.expect_float(0, "X");
  if (n.rank(0) == 0) n.refuse("X must not be a scalar");
  n.expect_same_dtype(0, 1, "X and scale");
  n.expect_same_dtype(0, 2, "X and gate");
  n.expect_rank(1, "scale", 1);
  n.expect_shape(2, "gate", n.shape(0));
  const int64_t size = constant_dim(n, n.shape(1)[0], "the length of scale");
  const Dim& last = n.shape(0).back();
  if (last.is_constant() && last.value % size != 0)
    n.problem("the last dimension {} of X is not a multiple of scale's length {}", last.value, size);
  n.set(0, n.dtype(0), n.shape(0));
}

constexpr OpRule kRules[] = {
    {kMicrosoft, "CausalConvWithState", 2, infer_causal_conv},
    {kMicrosoft, "LinearAttention", 3, infer_linear_attention},
    {kMicrosoft, "LinearAttentionGate", 3, infer_linear_gate},
    {kMicrosoft, "GatedRMSNorm", 3, infer_gated_rms_norm},
};

}  // namespace

std::span<const OpRule> state_rules() { return kRules; }

}  // namespace sluice::graph
