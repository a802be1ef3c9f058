#include "kernels/attention/rotary.h"

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "RotaryEmbedding";
constexpr uint32_t kGroup = 256;

// Mirrors Params of rotary.wgsl.
struct alignas(16) RotaryParams {
  uint32_t pairs, seq, heads, head_size, half, positions, seq_stride, head_stride;
};
static_assert(sizeof(RotaryParams) == 32);

bool is_float(const Tensor& t) { return t.storage == Storage::kF32 || t.storage == Storage::kF16; }

void check_types(const RotaryEmbeddingProblem& p) {
  if (!is_float(p.x) || p.x.storage != p.y.storage || p.x.shape != p.y.shape) {
    fail(kTag, "input and output must share one shape and one type, float or float16");
  }
  if (!is_float(p.cos) || p.cos.storage != p.sin.storage || p.cos.shape != p.sin.shape) {
    fail(kTag, "the cos and sin tables must share one shape and one type, float or float16");
  }
  if (p.x.slot == p.y.slot) fail(kTag, "input and output must lie in different buffers");
  if (p.x.elements() > UINT32_MAX) fail(kTag, "input may hold at most 2^32-1 elements, got {}", p.x.elements());
  if (p.scale != 1) fail(kTag, "scale must be 1, got {}", p.scale);
}

// Sizes and strides of x by its layout.
RotaryParams sizes_of(const RotaryEmbeddingProblem& p) {
  RotaryParams r{};
  const auto& shape = p.x.shape;
  if (shape.size() == 4) {
    r.heads = shape[1];
    r.seq = shape[2];
    r.head_size = shape[3];
    r.seq_stride = r.head_size;
    r.head_stride = r.seq * r.head_size;
    if (p.num_heads != 0 && p.num_heads != r.heads)
      fail(kTag, "num_heads is {}, but the input has {} heads", p.num_heads, r.heads);
  } else if (shape.size() == 3) {
    r.seq = shape[1];
    r.heads = p.num_heads;
    if (r.heads == 0) {
      if (p.rotary_embedding_dim != 0) fail(kTag, "a 3-dimensional input with rotary_embedding_dim needs num_heads");
      const uint32_t size = 2 * p.cos.last();
      r.heads = size == 0 ? 0 : shape[2] / size;
    }
    if (r.heads == 0 || shape[2] % r.heads != 0)
      fail(kTag, "{} heads do not divide the last dimension of {}", r.heads, shape[2]);
    r.head_size = shape[2] / r.heads;
    r.seq_stride = shape[2];
    r.head_stride = r.head_size;
  } else {
    fail(kTag, "input must have 3 or 4 dimensions, got {}", shape.size());
  }
  if (r.head_size % 2 != 0) fail(kTag, "head size must be even, got {}", r.head_size);
  r.pairs = static_cast<uint32_t>(p.x.elements() / 2);
  return r;
}

// Fills in what the tables and positions say.
void check_tables(const RotaryEmbeddingProblem& p, RotaryParams& r) {
  const uint32_t batch = p.x.shape[0];
  r.half = p.cos.last();
  if (2 * r.half > r.head_size || (p.rotary_embedding_dim != 0 && p.rotary_embedding_dim != 2 * r.half)) {
    fail(kTag, "tables of {} columns do not agree with head size {} and rotary_embedding_dim {}", r.half, r.head_size,
         p.rotary_embedding_dim);
  }
  r.positions = static_cast<uint32_t>(p.cos.rows());
  if (!p.position_ids) {
    if (p.cos.rank() != 3 || p.cos.shape[0] != batch || p.cos.shape[1] != r.seq) {
      fail(kTag, "without position_ids the tables must be [{}, {}, rotary dimension / 2], got [{}]", batch, r.seq,
           fmt::join(p.cos.shape, ", "));
    }
    return;
  }
  if (p.cos.rank() != 2 || r.positions == 0)
    fail(kTag, "with position_ids the tables must have 2 dimensions and a row");
  const uint64_t ids = p.position_ids.elements();
  if (p.position_ids.storage != Storage::kI32 || (ids != 1 && ids != uint64_t{batch} * r.seq)) {
    fail(kTag, "position_ids must be 1 or {} integers, got {}", uint64_t{batch} * r.seq, ids);
  }
}

}  // namespace

void plan_rotary_embedding(const RotaryEmbeddingProblem& p, Recorder& recorder) {
  check_types(p);
  RotaryParams params = sizes_of(p);
  check_tables(p, params);
  if (params.pairs == 0) return;
  const uint64_t angles = storage_bytes(p.cos.storage, uint64_t{p.x.shape[0]} * params.seq * params.half);
  Bindings bindings("rotary", "kernels/attention/rotary.wgsl");
  bindings.read("X", p.x)
      .bind("COS", true, touching(angles, in(p.cos)))
      .bind("SIN", true, touching(angles, in(p.sin)))
      .read("POS", p.position_ids)
      .write("Y", p.y)
      .define("OFFSET", p.position_ids && p.position_ids.elements() == 1)
      .define("INTERLEAVED", p.interleaved)
      .type("T", wgsl_type(p.x.storage))
      .type("CS", wgsl_type(p.cos.storage));
  recorder.add(bindings.finish(params, fold_groups(ceil_div64(params.pairs, kGroup), recorder.caps())));
}

}  // namespace sluice::kernels
