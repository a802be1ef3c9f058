// Operators of com.microsoft that carry a state of fixed size from token to token.
#include <algorithm>

#include "graph/infer_node.h"

namespace sluice::graph {
namespace {

constexpr int64_t kMaxHeads = 1 << 20;

int64_t constant_dim(NodeInfer& n, const Dim& dim, std::string_view what) {
  if (!dim.is_constant() || dim.value < 1 || dim.value > kMaxElements)
    n.refuse("{} must be a constant, got {}", what, n.text(dim));
  return dim.value;
}

// input (B, C, L), weight (C, 1, K), bias (C)?, past_state (B, C, K-1)? -> output (B, C, L), present_state (B, C, K-1)
void infer_causal_conv(NodeInfer& n) {
  n.expect_float(0, "input");
  n.expect_rank(0, "input", 3);
  n.expect_rank(1, "weight", 3);
  n.expect_same_dtype(0, 1, "input and weight");
  n.attribute("ndim", 1, 1, 1);
  n.attribute("state_window", 0, 0, 0);
  n.attribute("channels_last", 0, 0, 0);
  const Shape& x = n.shape(0);
  const int64_t taps = constant_dim(n, n.shape(1)[2], "the kernel size");
  n.expect_shape(1, "weight", {x[1], {1, 0}, {taps, 0}});
  n.expect_shape(2, "bias", {x[1]});
  const Shape state = {x[0], x[1], {taps - 1, 0}};
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
  n.expect_rank(4, "decay", 3);
  n.expect_rank(5, "beta", 3);
  n.set(0, n.dtype(0), {query[0], query[1], {saturating_mul(std::max(heads, state_heads), value_size), 0}});
  n.set(1, n.dtype(n.has(3) ? 3 : 0), state);
}

constexpr OpRule kRules[] = {
    {kMicrosoft, "CausalConvWithState", 2, infer_causal_conv},
    {kMicrosoft, "LinearAttention", 3, infer_linear_attention},
};

}  // namespace

std::span<const OpRule> state_rules() { return kRules; }

}  // namespace sluice::graph
