// Plans attention in three steps, for as many query tokens at a time as the scratch memory of their scores allows:
// scores with masks, softmax of each row, product with the values. Query heads that share a KV head are rows of one
// product.
#include "kernels/attention/attention.h"

#include <algorithm>

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "attention";
constexpr uint32_t kTile = 16;
constexpr uint64_t kMaxScores = 16u << 20;  // elements of scratch memory, where one token does not need more

// Mirror Params of the .wgsl files.
struct alignas(16) ScoreParams {
  uint32_t seq, first, rows, keys, heads, kv_heads, size, capacity;
  uint32_t q_offset, q_batch, q_token, q_head;
  uint32_t mask_batch = 0, mask_head = 0, mask_row = 0, mask_key = 0, mask_keys = 0;
  uint32_t pad_batch = 0, pad_row = 0;
  int32_t past, length_bias;
  uint32_t window;
  float scale, softcap, padding_score, hidden;
  uint32_t row_tiles, workgroups;
  int32_t ahead;
};
static_assert(sizeof(ScoreParams) == 128);

struct alignas(16) SoftmaxParams {
  uint32_t seq, first, rows, keys, heads, kv_heads, workgroups;
  uint32_t pad0 = 0;
};
static_assert(sizeof(SoftmaxParams) == 32);

struct alignas(16) ProductParams {
  uint32_t first, rows, keys, heads, kv_heads, size, capacity;
  uint32_t out_offset, out_batch, out_token, out_head, row_tiles, workgroups;
  uint32_t pad0 = 0, pad1 = 0, pad2 = 0;
};
static_assert(sizeof(ProductParams) == 64);

bool is_float(const Tensor& t) { return t.storage == Storage::kF32 || t.storage == Storage::kF16; }

void check_shape(const Tensor& t, const char* what, const std::vector<uint32_t>& shape) {
  if (t.shape != shape) fail(kTag, "{} must be [{}], got [{}]", what, fmt::join(shape, ", "), fmt::join(t.shape, ", "));
}

// The last element that a view reaches must lie in its tensor.
void check_view(const HeadsView& v, const char* what, const AttentionSizes& s, uint32_t size) {
  const uint64_t last = v.offset + uint64_t{s.batch - 1} * v.batch_stride + uint64_t{s.seq - 1} * v.token_stride +
                        uint64_t{s.heads - 1} * v.head_stride + size;
  if (last > v.tensor.elements()) {
    fail(kTag, "{} [{}] does not hold {} tokens of {} heads of {}", what, fmt::join(v.tensor.shape, ", "),
         uint64_t{s.batch} * s.seq, s.heads, size);
  }
}

void check_masks(const AttentionProblem& p, const AttentionSizes& s) {
  if (p.mask) {
    const auto& m = p.mask.shape;
    const auto fits = [](uint32_t have, uint32_t want) { return have == 1 || have == want; };
    if (m.size() != 4 || !fits(m[0], s.batch) || !fits(m[1], s.heads) || !fits(m[2], s.seq) || m[3] > s.keys) {
      fail(kTag, "the mask must broadcast to [{}, {}, {}, {}], got [{}]", s.batch, s.heads, s.seq, s.keys,
           fmt::join(m, ", "));
    }
    if (!is_float(p.mask) && p.mask.storage != Storage::kU32) fail(kTag, "the mask must be float, float16 or bool");
  }
  if (p.padding) {
    const auto& shape = p.padding.shape;
    using Shape = std::vector<uint32_t>;
    if (shape != Shape{s.batch} && shape != Shape{s.batch, s.keys} && shape != Shape{s.batch, s.seq, s.keys}) {
      fail(kTag, "the padding mask must be [{0}], [{0}, {2}] or [{0}, {1}, {2}], got [{3}]", s.batch, s.seq, s.keys,
           fmt::join(shape, ", "));
    }
    if (p.padding.storage != Storage::kI32) fail(kTag, "the padding mask must be integers");
  }
  if (p.lengths && (p.lengths.storage != Storage::kI32 || p.lengths.elements() != s.batch)) {
    fail(kTag, "lengths must be {} integers, got {}", s.batch, p.lengths.elements());
  }
  if (p.past_of != PastOf::kNumber && !p.lengths) fail(kTag, "a past that follows from lengths needs lengths");
}

void check(const AttentionProblem& p) {
  const AttentionSizes& s = p.sizes;
  if (s.kv_heads == 0 || s.heads % s.kv_heads != 0)
    fail(kTag, "{} query heads are not a multiple of {} key heads", s.heads, s.kv_heads);
  if (p.key.rank() != 4 || p.key.shape[2] < s.keys) fail(kTag, "key must be 4-dimensional with {} rows", s.keys);
  check_shape(p.key, "key", {s.batch, s.kv_heads, p.key.shape[2], s.key_size});
  check_shape(p.value, "value", {s.batch, s.kv_heads, p.key.shape[2], s.value_size});
  if (p.qk) check_shape(p.qk, "qk", {s.batch, s.heads, s.seq, s.keys});
  check_view(p.query, "query", s, s.key_size);
  check_view(p.output, "output", s, s.value_size);
  for (const Tensor* t : {&p.query.tensor, &p.key, &p.value, &p.output.tensor, &p.qk}) {
    if (*t && (!is_float(*t) || t->storage != p.query.tensor.storage))
      fail(kTag, "query, key, value, output and qk must share one type, float or float16");
    if (*t && t->elements() > UINT32_MAX) fail(kTag, "tensors may hold at most 2^32-1 elements, got {}", t->elements());
  }
  if (p.sink && (!is_float(p.sink) || p.sink.elements() != s.heads)) fail(kTag, "the sink must be {} floats", s.heads);
  if (p.sink && p.smooth) fail(kTag, "sink and smooth softmax exclude one another");
  if (p.softcap < 0) fail(kTag, "softcap must not be negative, got {}", p.softcap);
  check_masks(p, s);
}

// Query tokens [first, first + tokens) of a problem.
struct Part {
  uint32_t first, tokens, rows, row_tiles;
};

// Steps from one batch, head, row and key to the next in the masks; 0 along what they are broadcast.
void set_mask_strides(const AttentionProblem& p, ScoreParams& params) {
  const AttentionSizes& s = p.sizes;
  if (p.mask) {
    const auto& m = p.mask.shape;
    params.mask_key = m[3] == 1 ? 0 : 1;
    params.mask_keys = m[3] == 1 ? s.keys : m[3];
    params.mask_row = m[2] == 1 ? 0 : m[3];
    params.mask_head = m[1] == 1 ? 0 : m[2] * m[3];
    params.mask_batch = m[0] == 1 ? 0 : m[1] * m[2] * m[3];
  }
  if (p.padding.rank() > 1) {
    params.pad_batch = p.padding.rank() == 3 ? s.seq * s.keys : s.keys;
    params.pad_row = p.padding.rank() == 3 ? s.keys : 0;
  }
}

ScoreParams score_params(const AttentionProblem& p, const Part& part, uint64_t groups) {
  const AttentionSizes& s = p.sizes;
  const HeadsView& q = p.query;
  ScoreParams params{.seq = s.seq,
                     .first = part.first,
                     .rows = part.rows,
                     .keys = s.keys,
                     .heads = s.heads,
                     .kv_heads = s.kv_heads,
                     .size = s.key_size,
                     .capacity = p.key.shape[2],
                     .q_offset = q.offset,
                     .q_batch = q.batch_stride,
                     .q_token = q.token_stride,
                     .q_head = q.head_stride,
                     .past = static_cast<int32_t>(p.past),
                     .length_bias = p.length_bias,
                     .window = p.window,
                     .scale = p.scale,
                     .softcap = p.softcap,
                     .padding_score = p.padding_score,
                     .hidden = p.hidden,
                     .row_tiles = part.row_tiles,
                     .workgroups = static_cast<uint32_t>(groups),
                     .ahead = static_cast<int32_t>(p.ahead)};
  set_mask_strides(p, params);
  return params;
}

void add_scores(const AttentionProblem& p, const Part& part, const Tensor& scores, Recorder& recorder) {
  const AttentionSizes& s = p.sizes;
  const HeadsView& q = p.query;
  const uint64_t groups = uint64_t{s.batch} * s.kv_heads * part.row_tiles * ceil_div(s.keys, kTile);
  const Tensor none;
  Bindings bindings("attention/scores", "kernels/attention/attention_scores.wgsl");
  bindings.read("Q", q.tensor)
      .read("K", p.key)
      .read("LEN", p.lengths)
      .read("MASK", p.mask)
      .read("PAD", p.padding)
      .write("SCORES", scores)
      .write("QK", p.qk_output == QkOutput::kWeights ? none : p.qk)
      .define("QK", static_cast<uint32_t>(p.qk_output))
      .define("PAST_OF", static_cast<uint32_t>(p.past_of))
      .define("CAUSAL", p.causal)
      .define("SOFTCAP", p.softcap > 0)
      .define("MASK_BOOL", p.mask && p.mask.storage == Storage::kU32)
      .define("PAD_LENGTHS", p.padding.rank() == 1)
      .type("T", wgsl_type(q.tensor.storage))
      .type("M", wgsl_type(p.mask.storage));
  recorder.add(bindings.finish(score_params(p, part, groups), fold_groups(groups, recorder.caps())));
}

void add_softmax(const AttentionProblem& p, const Part& part, const Tensor& scores, Recorder& recorder) {
  const AttentionSizes& s = p.sizes;
  const uint64_t groups = uint64_t{s.batch} * s.kv_heads * part.rows;
  const SoftmaxParams params{.seq = s.seq,
                             .first = part.first,
                             .rows = part.rows,
                             .keys = s.keys,
                             .heads = s.heads,
                             .kv_heads = s.kv_heads,
                             .workgroups = static_cast<uint32_t>(groups)};
  const Tensor none;
  Bindings bindings("attention/softmax", "kernels/attention/attention_softmax.wgsl");
  bindings.write("SCORES", scores)
      .read("SINK", p.sink)
      .write("QK", p.qk_output == QkOutput::kWeights ? p.qk : none)
      .define("SMOOTH", p.smooth)
      .type("T", wgsl_type(p.query.tensor.storage))
      .type("SK", wgsl_type(p.sink.storage));
  recorder.add(bindings.finish(params, fold_groups(groups, recorder.caps())));
}

void add_product(const AttentionProblem& p, const Part& part, const Tensor& scores, Recorder& recorder) {
  const AttentionSizes& s = p.sizes;
  const HeadsView& out = p.output;
  const uint64_t groups = uint64_t{s.batch} * s.kv_heads * part.row_tiles * ceil_div(s.value_size, kTile);
  const ProductParams params{.first = part.first,
                             .rows = part.rows,
                             .keys = s.keys,
                             .heads = s.heads,
                             .kv_heads = s.kv_heads,
                             .size = s.value_size,
                             .capacity = p.value.shape[2],
                             .out_offset = out.offset,
                             .out_batch = out.batch_stride,
                             .out_token = out.token_stride,
                             .out_head = out.head_stride,
                             .row_tiles = part.row_tiles,
                             .workgroups = static_cast<uint32_t>(groups)};
  Bindings bindings("attention/product", "kernels/attention/attention_product.wgsl");
  bindings.read("WEIGHTS", scores)
      .read("V", p.value)
      .write("OUT", out.tensor)
      .type("T", wgsl_type(p.query.tensor.storage));
  recorder.add(bindings.finish(params, fold_groups(groups, recorder.caps())));
}

}  // namespace

HeadsView token_major(const Tensor& t, uint32_t heads) {
  if (t.rank() != 3 || heads == 0) fail(kTag, "expected 3 dimensions and a head, got [{}]", fmt::join(t.shape, ", "));
  return {t, 0, t.shape[1] * t.shape[2], t.shape[2], t.shape[2] / heads};
}

HeadsView head_major(const Tensor& t) {
  if (t.rank() != 4) fail(kTag, "expected 4 dimensions, got [{}]", fmt::join(t.shape, ", "));
  return {t, 0, t.shape[1] * t.shape[2] * t.shape[3], t.shape[3], t.shape[2] * t.shape[3]};
}

void plan_attention(const AttentionProblem& problem, Recorder& recorder) {
  const AttentionSizes& s = problem.sizes;
  if (s.batch == 0 || s.seq == 0 || s.heads == 0 || s.value_size == 0) return;
  if (s.keys == 0 || s.key_size == 0) fail(kTag, "keys and their head size must not be 0");
  check(problem);
  const uint64_t token_scores = uint64_t{s.batch} * s.heads * s.keys;
  const uint64_t limit = std::min<uint64_t>(kMaxScores, recorder.caps().max_binding / sizeof(float));
  if (token_scores > UINT32_MAX) fail(kTag, "the scores of one token may be at most 2^32-1, got {}", token_scores);
  const auto step = static_cast<uint32_t>(std::clamp<uint64_t>(limit / token_scores, 1, s.seq));
  const Tensor scores = recorder.scratch(Storage::kF32, {step, static_cast<uint32_t>(token_scores)});
  for (uint32_t first = 0; first < s.seq; first += step) {
    Part part{.first = first, .tokens = std::min(step, s.seq - first), .rows = 0, .row_tiles = 0};
    part.rows = part.tokens * (s.heads / s.kv_heads);
    part.row_tiles = ceil_div(part.rows, kTile);
    add_scores(problem, part, scores, recorder);
    add_softmax(problem, part, scores, recorder);
    add_product(problem, part, scores, recorder);
  }
}

}  // namespace sluice::kernels
