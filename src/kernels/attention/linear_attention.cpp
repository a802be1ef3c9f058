// One dispatch: a workgroup keeps 16 columns of one head's state in registers and walks over the tokens.
#include "kernels/attention/linear_attention.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "LinearAttention";
constexpr uint32_t kColumns = 16, kLanes = 16;
constexpr uint32_t kMaxKeySize = 1024;  // of which workgroup memory holds key, query and decay

// Mirrors Params of linear_attention.wgsl.
struct alignas(16) LinearParams {
  uint32_t tokens, heads, key_heads, state_heads, key_size, value_size, tiles, workgroups;
  float scale;
  uint32_t pad0 = 0, pad1 = 0, pad2 = 0;
};
static_assert(sizeof(LinearParams) == 48);

bool is_float(const Tensor& t) { return t.storage == Storage::kF32 || t.storage == Storage::kF16; }
bool has_decay(LinearRule r) { return r == LinearRule::kGated || r == LinearRule::kGatedDelta; }
bool has_delta(LinearRule r) { return r == LinearRule::kDelta || r == LinearRule::kGatedDelta; }

void check_shape(const Tensor& t, const char* what, const std::vector<uint32_t>& shape) {
  if (t.shape != shape) fail(kTag, "{} must be [{}], got [{}]", what, fmt::join(shape, ", "), fmt::join(t.shape, ", "));
}

LinearParams sizes_of(const LinearAttentionProblem& p) {
  if (p.query.rank() != 3 || p.key.rank() != 3 || p.value.rank() != 3)
    fail(kTag, "query, key and value must have 3 dimensions");
  const uint32_t most = std::max(p.heads, p.state_heads), least = std::min(p.heads, p.state_heads);
  if (least == 0 || most % least != 0)
    fail(kTag, "q_num_heads {} and kv_num_heads {} do not divide each other", p.heads, p.state_heads);
  LinearParams r{};
  r.tokens = p.query.shape[1];
  r.heads = p.heads;
  r.state_heads = p.state_heads;
  r.key_size = p.query.last() / p.heads;
  r.value_size = p.value.last() / p.state_heads;
  if (p.query.last() % p.heads != 0 || r.key_size == 0 || r.key_size > kMaxKeySize)
    fail(kTag, "the head size of the query must be 1 to {}, got {} / {}", kMaxKeySize, p.query.last(), p.heads);
  if (p.value.last() % p.state_heads != 0)
    fail(kTag, "{} heads do not divide the value's last dimension of {}", p.state_heads, p.value.last());
  r.key_heads = p.key.last() / r.key_size;
  if (r.key_heads == 0 || p.key.last() % r.key_size != 0 || p.state_heads % r.key_heads != 0)
    fail(kTag, "key must hold heads of {} that divide {}, got {}", r.key_size, p.state_heads, p.key.last());
  r.scale = p.scale != 0 ? p.scale : 1.0f / std::sqrt(static_cast<float>(r.key_size));
  return r;
}

void check_gates(const LinearAttentionProblem& p, const LinearParams& r) {
  const uint32_t batch = p.query.shape[0];
  if (has_decay(p.rule)) {
    if (!p.decay) fail(kTag, "decay is required by a gated update_rule");
    const bool fits = p.decay.last() == r.state_heads || p.decay.last() == r.state_heads * r.key_size;
    check_shape(p.decay, "decay", {batch, r.tokens, fits ? p.decay.last() : r.state_heads});
  }
  if (has_delta(p.rule)) {
    if (!p.beta) fail(kTag, "beta is required by a delta update_rule");
    check_shape(p.beta, "beta", {batch, r.tokens, p.beta.last() == 1 ? 1 : r.state_heads});
  }
}

void check(const LinearAttentionProblem& p, const LinearParams& r) {
  const uint32_t batch = p.query.shape[0];
  check_shape(p.key, "key", {batch, r.tokens, p.key.last()});
  check_shape(p.value, "value", {batch, r.tokens, p.value.last()});
  check_shape(p.output, "output", {batch, r.tokens, std::max(r.heads, r.state_heads) * r.value_size});
  const std::vector<uint32_t> state{batch, r.state_heads, r.key_size, r.value_size};
  if (p.past) check_shape(p.past, "past_state", state);
  if (p.present) check_shape(p.present, "present_state", state);
  if (p.past && p.present && p.past.storage != p.present.storage) fail(kTag, "both states must share one type");
  check_gates(p, r);
  for (const Tensor* t : {&p.query, &p.key, &p.value, &p.decay, &p.beta, &p.output, &p.past, &p.present}) {
    if (!*t) continue;
    if (!is_float(*t)) fail(kTag, "all tensors must be float or float16");
    const bool is_state = t == &p.past || t == &p.present;
    if (!is_state && t->storage != p.query.storage) fail(kTag, "all tensors but the states must share one type");
    if (t->elements() > UINT32_MAX) fail(kTag, "tensors may hold at most 2^32-1 elements, got {}", t->elements());
  }
  if (p.active && (p.active.storage != Storage::kU32 || p.active.elements() != 1))
    fail(kTag, "active must be one flag");
}

}  // namespace

void plan_linear_attention(const LinearAttentionProblem& problem, Recorder& recorder) {
  LinearAttentionProblem p = problem;
  LinearParams params = sizes_of(p);
  check(p, params);
  if (!has_decay(p.rule)) p.decay = {};
  if (!has_delta(p.rule)) p.beta = {};
  params.tiles = ceil_div(params.value_size, kColumns);
  const uint64_t groups = uint64_t{p.query.shape[0]} * params.state_heads * params.tiles;
  if (groups == 0) return;
  params.workgroups = static_cast<uint32_t>(groups);
  const bool in_place = p.past && p.past.slot == p.present.slot;
  const Tensor& state = p.past ? p.past : p.present;
  Bindings bindings("linear_attention", "kernels/attention/linear_attention.wgsl");
  bindings.read("Q", p.query)
      .read("K", p.key)
      .read("V", p.value)
      .read("PAST", in_place ? Tensor{} : p.past)
      .read("DECAY", p.decay)
      .read("BETA", p.beta)
      .write("OUT", p.output)
      .write("PRESENT", p.present);
  bindings.read("ACTIVE", p.present ? p.active : Tensor{})
      .define("IN_PLACE", in_place)
      .define("PER_LANE", ceil_div(params.key_size, kLanes))
      .define("DELTA", has_delta(p.rule))
      .define("KEY_DECAY", p.decay && p.decay.last() != params.state_heads)
      .define("ONE_BETA", p.beta && p.beta.last() == 1)
      .type("T", wgsl_type(p.query.storage))
      .type("S", wgsl_type(state.storage));
  if (bindings.count() > recorder.caps().max_storage_buffers)
    fail(kTag, "the device binds {} buffers at once, {} are needed", recorder.caps().max_storage_buffers,
         bindings.count());
  recorder.add(bindings.finish(params, fold_groups(groups, recorder.caps())));
}

}  // namespace sluice::kernels
