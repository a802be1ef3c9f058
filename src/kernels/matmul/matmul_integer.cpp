#include "kernels/matmul/matmul_integer.h"

#include "kernels/common/bindings.h"
#include "kernels/common/strides.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "matmul_integer";
constexpr uint32_t kTile = 16;

// Mirrors Params of matmul_integer.wgsl.
struct alignas(16) Params {
  uint32_t m, n, k, tiles_m, tiles_n, batches;
  uint32_t a_batch, b_batch;          // elements from one batch to the next; 0 where one serves all
  uint32_t a_zero_step, b_zero_step;  // 0 where one zero point serves all
  uint32_t pad0, pad1;
};
static_assert(sizeof(Params) == 48);

std::vector<uint32_t> batches_of(const Tensor& t) { return {t.shape.begin(), t.shape.end() - 2}; }

uint32_t count(const std::vector<uint32_t>& shape) {
  uint32_t p = 1;
  for (const uint32_t d : shape) p *= d;
  return p;
}

// Elements from a batch of y to the next in an operand: that of a matrix, or 0 for a lone one.
uint32_t batch_step(const Tensor& operand, const Tensor& y, const char* which) {
  const uint32_t own = count(batches_of(operand)), all = count(batches_of(y));
  if (own != 1 && own != all) {
    fail(kTag, "{} of shape {} repeats along some batches of {} only: not supported", which, shape_text(operand.shape),
         shape_text(y.shape));
  }
  return own == 1 ? 0 : operand.shape[operand.rank() - 2] * operand.last();
}

uint32_t zero_step(const Tensor& zero, uint32_t size, const char* which) {
  if (!zero) return 0;
  if (zero.storage != Storage::kI32 || (zero.elements() != 1 && zero.elements() != size)) {
    fail(kTag, "{} must hold 1 or {} whole integers, got shape {}", which, size, shape_text(zero.shape));
  }
  return zero.elements() == 1 ? 0 : 1;
}

void check(const MatMulIntegerProblem& p) {
  for (const Tensor* t : {&p.a, &p.b}) {
    if (t->rank() < 2) fail(kTag, "A and B must have rank 2 or more, got shape {}", shape_text(t->shape));
    if (t->storage != Storage::kI32 && t->storage != Storage::kBytes) fail(kTag, "A and B must be integers");
    if (t->slot == p.y.slot) fail(kTag, "the output must not share an input's storage");
  }
  const uint32_t m = p.a.shape[p.a.rank() - 2], inner = p.b.shape[p.b.rank() - 2];
  const bool fits =
      p.a.last() == inner && p.y.rank() >= 2 && p.y.shape[p.y.rank() - 2] == m && p.y.last() == p.b.last();
  if (!fits || p.y.storage != Storage::kI32) {
    fail(kTag, "shapes {} and {} do not make int32 {}", shape_text(p.a.shape), shape_text(p.b.shape),
         shape_text(p.y.shape));
  }
  for (const Tensor* t : {&p.a, &p.b, &p.y}) {
    if (t->elements() > UINT32_MAX) fail(kTag, "a tensor of {} elements is beyond 2^32 - 1", t->elements());
  }
}

}  // namespace

void plan_matmul_integer(const MatMulIntegerProblem& p, Recorder& recorder) {
  check(p);
  const uint32_t m = p.a.shape[p.a.rank() - 2], n = p.b.last();
  Params params{.m = m,
                .n = n,
                .k = p.a.last(),
                .tiles_m = ceil_div(m, kTile),
                .tiles_n = ceil_div(n, kTile),
                .batches = count(batches_of(p.y)),
                .a_batch = batch_step(p.a, p.y, "A"),
                .b_batch = batch_step(p.b, p.y, "B"),
                .a_zero_step = zero_step(p.a_zero, m, "the zero point of A"),
                .b_zero_step = zero_step(p.b_zero, n, "the zero point of B"),
                .pad0 = 0,
                .pad1 = 0};
  if (p.y.elements() == 0) return;
  Bindings bindings(kTag, "kernels/matmul/matmul_integer.wgsl");
  bindings.read("A", p.a).read("B", p.b).read("A_ZERO", p.a_zero).read("B_ZERO", p.b_zero).write("Y", p.y);
  bindings.define("A_BYTES", p.a.storage == Storage::kBytes).define("B_BYTES", p.b.storage == Storage::kBytes);
  const uint64_t groups = uint64_t{params.tiles_m} * params.tiles_n * params.batches;
  recorder.add(bindings.finish(params, fold_groups(groups, recorder.caps())));
}

}  // namespace sluice::kernels
