// A windowed cache is brought into a scratch cache with room for the new tokens behind the resident ones. Attention
// over that is the usual one, with lengths that count from the oldest resident position; then the newest rows move to
// the front of the present cache.
#include "kernels/attention/gqa_window.h"

#include "kernels/attention/kv_cache.h"
#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "GroupQueryAttention";
constexpr uint32_t kGroup = 256;

// Mirrors Params of gqa_window.wgsl.
struct alignas(16) WindowParams {
  uint32_t batch, seq, kv_heads, capacity, window, cols, elements;
  uint32_t bias_heads = 1, bias_batch = 0, bias_total = 0;
  uint32_t pad0 = 0, pad1 = 0;
};
static_assert(sizeof(WindowParams) == 48);

enum Step : uint32_t { kLengths, kShift, kBias };

void add(Bindings& bindings, WindowParams params, Step step, Recorder& recorder) {
  bindings.define("STEP", step);
  if (params.elements == 0) return;
  recorder.add(bindings.finish(params, fold_groups(ceil_div(params.elements, kGroup), recorder.caps())));
}

Bindings bindings_of(const char* name, const Tensor& seqlens) {
  Bindings bindings(name, "kernels/attention/gqa_window.wgsl");
  bindings.read("LEN", seqlens);
  return bindings;
}

void check(const GroupQueryAttentionProblem& p, const Tensor& past_key, const Tensor& past_value) {
  if (p.local_window_size < 1)
    fail(kTag, "sliding_window_cache needs local_window_size of at least 1, got {}", p.local_window_size);
  if (!past_key || !past_value) fail(kTag, "sliding_window_cache needs past_key and past_value");
  if (p.output_qk) fail(kTag, "output_qk is not supported with sliding_window_cache");
  if (p.key && p.key.rank() == 3 && p.key.shape[1] == 0) fail(kTag, "sliding_window_cache needs new keys and values");
  const Tensor* const pairs[][2] = {{&past_key, &p.key_cache}, {&past_value, &p.value_cache}};
  for (const auto& [past, present] : pairs) {
    if (past->rank() != 4 || past->shape != present->shape || past->storage != present->storage) {
      fail(kTag, "a windowed cache keeps its shape [{}], got [{}]", fmt::join(past->shape, ", "),
           fmt::join(present->shape, ", "));
    }
    if (past->shape[2] < static_cast<uint32_t>(p.local_window_size)) {
      fail(kTag, "sliding_window_cache: a cache of {} rows is shorter than local_window_size {}", past->shape[2],
           p.local_window_size);
    }
  }
  if (past_key.shape != past_value.shape)
    fail(kTag, "past_key [{}] and past_value [{}] must have one shape", fmt::join(past_key.shape, ", "),
         fmt::join(past_value.shape, ", "));
  if (p.query.rank() != 3 || p.query.shape[0] != past_key.shape[0])
    fail(kTag, "query [{}] and past_key [{}] must agree in batch", fmt::join(p.query.shape, ", "),
         fmt::join(past_key.shape, ", "));
  if (p.seqlens.storage != Storage::kI32 || p.seqlens.elements() != p.query.shape[0])
    fail(kTag, "seqlens_k must be {} integers, got {}", p.query.shape[0], p.seqlens.elements());
}

// The columns of the bias that belong to the scratch cache's rows.
Tensor windowed_bias(const GroupQueryAttentionProblem& p, WindowParams params, uint32_t rows, Recorder& recorder) {
  const Tensor& from = p.attention_bias;
  if (from.rank() != 4 || (from.shape[0] != 1 && from.shape[0] != params.batch) || from.shape[2] != params.seq) {
    fail(kTag, "attention_bias must be [1 or {}, heads, {}, total length], got [{}]", params.batch, params.seq,
         fmt::join(from.shape, ", "));
  }
  params.bias_heads = from.shape[1];
  params.bias_batch = from.shape[0] == 1 ? 0 : 1;
  params.bias_total = from.shape[3];
  params.cols = rows;
  Tensor bias = recorder.scratch(from.storage, {params.batch, from.shape[1], params.seq, rows});
  if (bias.elements() > UINT32_MAX) fail(kTag, "attention_bias may hold at most 2^32-1 elements");
  params.elements = static_cast<uint32_t>(bias.elements());
  Bindings bindings = bindings_of("gqa/window_bias", p.seqlens);
  bindings.read("FROM", from).write("TO", bias).type("T", wgsl_type(from.storage));
  add(bindings, params, kBias, recorder);
  return bias;
}

void shift(const Tensor& work, const Tensor& present, const Tensor& seqlens, WindowParams params, Recorder& recorder) {
  params.cols = present.shape[3];
  if (present.elements() > UINT32_MAX) fail(kTag, "a cache may hold at most 2^32-1 elements");
  params.elements = static_cast<uint32_t>(present.elements());
  Bindings bindings = bindings_of("gqa/window_shift", seqlens);
  bindings.read("FROM", work).write("TO", present).type("T", wgsl_type(present.storage));
  add(bindings, params, kShift, recorder);
}

}  // namespace

void plan_windowed_group_query_attention(const GroupQueryAttentionProblem& problem, const Tensor& past_key,
                                         const Tensor& past_value, Recorder& recorder) {
  check(problem, past_key, past_value);
  GroupQueryAttentionProblem p = problem;
  const auto& cache = past_key.shape;
  const uint32_t batch = cache[0], seq = p.query.shape[1], rows = cache[2] + seq;
  if (batch == 0 || seq == 0) return;
  const WindowParams params{.batch = batch,
                            .seq = seq,
                            .kv_heads = cache[1],
                            .capacity = cache[2],
                            .window = static_cast<uint32_t>(p.local_window_size),
                            .cols = 0,
                            .elements = batch * seq};
  p.seqlens = recorder.scratch(Storage::kI32, {batch});
  const Tensor positions = recorder.scratch(Storage::kI32, {batch, seq});
  Bindings lengths = bindings_of("gqa/window_lengths", problem.seqlens);
  lengths.write("WORK", p.seqlens).write("POS", positions).type("T", wgsl_type(past_key.storage));
  add(lengths, params, kLengths, recorder);
  if (!p.position_ids) {
    p.position_ids = positions;
    p.exact_positions = true;
  }
  if (p.attention_bias) p.attention_bias = windowed_bias(problem, params, rows, recorder);
  p.key_cache = recorder.scratch(past_key.storage, {batch, cache[1], rows, cache[3]});
  p.value_cache = recorder.scratch(past_value.storage, {batch, cache[1], rows, cache[3]});
  plan_kv_copy(past_key, p.key_cache, recorder);
  plan_kv_copy(past_value, p.value_cache, recorder);
  plan_group_query_attention(p, recorder);
  shift(p.key_cache, problem.key_cache, problem.seqlens, params, recorder);
  shift(p.value_cache, problem.value_cache, problem.seqlens, params, recorder);
}

}  // namespace sluice::kernels
