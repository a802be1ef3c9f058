#include "kernels/norm/norm_plan.h"

#include "kernels/common/bindings.h"

namespace sluice::kernels::norm {
namespace {

// Mirrors Params of norm.wgsl.
struct alignas(16) NormParams {
  uint32_t rows, cols, skip_rows;
  float width, epsilon, inner_epsilon;
  uint32_t pad0 = 0, pad1 = 0;
};
static_assert(sizeof(NormParams) == 32);

constexpr uint32_t kNarrow = 64;   // vectors of a row up to which 16 threads do
constexpr uint32_t kMostKept = 4;  // vectors that a thread keeps in registers

bool is_float(const Tensor& t) { return t.storage == Storage::kF32 || t.storage == Storage::kF16; }

void check_like(const Problem& p, const Tensor& t, const char* what, const Tensor& like) {
  if (t && (t.shape != like.shape || t.storage != like.storage)) {
    fail(p.tag, "{} must have shape [{}] and the type of its like, got [{}]", what, fmt::join(like.shape, ", "),
         fmt::join(t.shape, ", "));
  }
}

void check(const Problem& p) {
  const bool only_sum = p.sum && !p.y && !p.weight;
  const Tensor& weight = only_sum ? p.inner : p.weight;
  const Tensor& output = only_sum ? p.sum : p.y;
  for (const Tensor* t : {&p.x, &weight, &output}) {
    if (!*t) fail(p.tag, "input, weight and output are required");
    if (!is_float(*t)) fail(p.tag, "input, weight and output must be float or float16");
  }
  if (p.x.rank() == 0 || p.x.last() == 0) fail(p.tag, "the last dimension of the input must not be 0");
  if (weight.elements() != p.x.last())
    fail(p.tag, "weight must have {} elements, got {}", p.x.last(), weight.elements());
  if (output.shape != p.x.shape) fail(p.tag, "output must have the input's shape");
  check_like(p, p.bias, "bias", weight);
  check_like(p, p.beta, "beta", weight);
  check_like(p, p.inner, "the inner weight", weight);
  check_like(p, p.sum, "the sum", output);
  for (const Tensor* t : {&p.mean, &p.factor}) {
    if (*t && (t->storage != Storage::kF32 || t->elements() != p.x.rows()))
      fail(p.tag, "mean and deviation must be {} floats, got [{}]", p.x.rows(), fmt::join(t->shape, ", "));
  }
  for (const Tensor* t : {&p.x, &p.skip}) {
    if (!*t) continue;
    const bool shared =
        t->slot == p.y.slot || t->slot == p.sum.slot || t->slot == p.mean.slot || t->slot == p.factor.slot;
    if (shared) fail(p.tag, "outputs may not share a buffer with inputs");
  }
  if (p.x.elements() > UINT32_MAX) fail(p.tag, "input may hold at most 2^32-1 elements, got {}", p.x.elements());
}

// Rows after which the skip repeats: its shape, without leading ones, must end the input's shape.
uint32_t skip_rows(const Problem& p) {
  if (!p.skip) return 1;
  auto shape = p.skip.shape;
  while (shape.size() > 1 && shape.front() == 1) shape.erase(shape.begin());
  const bool fits = shape.size() <= p.x.shape.size() && std::equal(shape.rbegin(), shape.rend(), p.x.shape.rbegin());
  if (!fits || p.skip.storage != p.x.storage) {
    fail(p.tag, "skip must have the input's type and shape [{}], or a trailing part of it, got [{}]",
         fmt::join(p.x.shape, ", "), fmt::join(p.skip.shape, ", "));
  }
  return static_cast<uint32_t>(p.skip.rows());
}

// What there is of y, sum, mean and factor.
void add_dispatch(const Problem& p, uint32_t repeat, Recorder& recorder) {
  const uint32_t vec = p.x.last() % 4 == 0 ? 4 : 1;
  const NormParams params{
      .rows = static_cast<uint32_t>(p.x.rows()),
      .cols = p.x.last() / vec,
      .skip_rows = repeat,
      .width = static_cast<float>(p.x.last()),
      .epsilon = p.epsilon,
      .inner_epsilon = p.inner_epsilon,
  };
  const bool narrow = params.cols <= kNarrow;
  const uint32_t rows = narrow ? 8 : 1, threads = narrow ? 16 : 256;
  const uint32_t per = ceil_div(params.cols, threads);
  const Tensor& weight = p.weight ? p.weight : p.inner ? p.inner : p.bias;
  const std::string name = p.centred ? "layer_norm" : "rms_norm";
  Bindings bindings(p.y ? name : name + "/statistics", "kernels/norm/norm.wgsl");
  bindings.read("X", p.x)
      .read("WEIGHT", p.weight)
      .read("SKIP", p.skip)
      .read("BIAS", p.bias)
      .read("BETA", p.beta)
      .read("INNER", p.inner)
      .write("Y", p.y)
      .write("SUM", p.sum)
      .write("MEAN", p.mean)
      .write("FACTOR", p.factor)
      .define("CENTRED", p.centred)
      .define("VEC", vec)
      .define("THREADS", threads)
      .define("ROWS", rows)
      .define("PER", per <= kMostKept ? per : 0)
      .define("SUBGROUPS", !narrow && recorder.caps().subgroups ? 1 : 0)
      .type("X", wgsl_type(p.x.storage))
      .type("Y", wgsl_type(p.y ? p.y.storage : p.sum.storage))
      .type("W", wgsl_type(weight.storage));
  recorder.add(bindings.finish(params, fold_groups(ceil_div(params.rows, rows), recorder.caps())));
}

}  // namespace

void plan(const Problem& p, Recorder& recorder) {
  check(p);
  const uint32_t repeat = skip_rows(p);
  if (p.x.elements() == 0) return;
  add_dispatch(p, repeat, recorder);
  if (!p.mean && !p.factor) return;
  // A dispatch of its own: all outputs together would be more buffers than one may bind.
  add_dispatch({.tag = p.tag,
                .x = p.x,
                .skip = p.skip,
                .bias = p.bias,
                .mean = p.mean,
                .factor = p.factor,
                .inner = p.inner,
                .centred = p.centred,
                .epsilon = p.epsilon,
                .inner_epsilon = p.inner_epsilon},
               repeat, recorder);
}

}  // namespace sluice::kernels::norm
