#include "kernels/norm/softmax.h"

#include "kernels/common/bindings.h"

namespace sluice::kernels {
namespace {

// Mirrors Params of softmax.wgsl.
struct alignas(16) SoftmaxParams {
  uint32_t rows, cols, inner;
  uint32_t pad0 = 0;
};
static_assert(sizeof(SoftmaxParams) == 16);

constexpr uint32_t kNarrow = 128;  // columns up to which 16 threads do

void check(const char* tag, const SoftmaxProblem& p) {
  for (const Tensor* t : {&p.x, &p.y}) {
    if (t->storage != Storage::kF32 && t->storage != Storage::kF16)
      fail(tag, "input and output must be float or float16");
  }
  if (p.x.shape != p.y.shape) fail(tag, "output must have the input's shape");
  if (p.x.slot == p.y.slot) fail(tag, "input and output must lie in different buffers");
  if (p.x.elements() > UINT32_MAX) fail(tag, "input may hold at most 2^32-1 elements, got {}", p.x.elements());
  const auto rank = static_cast<int64_t>(p.x.rank());
  if (rank == 0 || p.axis < -rank || p.axis >= rank)
    fail(tag, "axis {} is outside a tensor of {} dimensions", p.axis, rank);
}

}  // namespace

void plan_softmax(const SoftmaxProblem& p, Recorder& recorder) {
  check(p.log ? "LogSoftmax" : "Softmax", p);
  if (p.x.elements() == 0) return;
  const uint32_t axis = p.axis < 0 ? p.axis + p.x.rank() : p.axis;
  SoftmaxParams params{.rows = 0, .cols = p.x.shape[axis], .inner = 1};
  for (uint32_t i = axis + 1; i < p.x.rank(); ++i) params.inner *= p.x.shape[i];
  params.rows = static_cast<uint32_t>(p.x.elements() / params.cols);
  const bool narrow = params.cols <= kNarrow;
  const uint32_t rows = narrow ? 8 : 1;
  Bindings bindings(p.log ? "log_softmax" : "softmax", "kernels/norm/softmax.wgsl");
  bindings.read("X", p.x)
      .write("Y", p.y)
      .define("THREADS", narrow ? 16 : 256)
      .define("ROWS", rows)
      .define("LOG", p.log)
      .type("X", wgsl_type(p.x.storage))
      .type("Y", wgsl_type(p.y.storage));
  recorder.add(bindings.finish(params, fold_groups(ceil_div(params.rows, rows), recorder.caps())));
}

}  // namespace sluice::kernels
