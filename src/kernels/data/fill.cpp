#include "kernels/data/fill.h"

#include "base/half.h"
#include "kernels/data/common.h"
#include "kernels/data/value_bits.h"

namespace sluice::kernels {
namespace {

struct alignas(16) FillParams {
  uint32_t words, bits, pad0, pad1;
};

struct alignas(16) RangeParams {
  uint32_t count, start, delta, pad;
};

// A word full of the value: two halves or four bytes of it where elements are smaller.
uint32_t word_of(Storage storage, double value) {
  if (storage == Storage::kF16) return 0x00010001u * float_to_half(static_cast<float>(value));
  if (storage == Storage::kBytes) return 0x01010101u * value_bits(storage, value);
  return value_bits(storage, value);
}

}  // namespace

void plan_fill(const FillProblem& problem, Recorder& recorder) {
  check_size(problem.y, "fill");
  const uint64_t words = storage_bytes(problem.y.storage, problem.y.elements()) / 4;
  Dispatch dispatch;
  dispatch.name = "fill";
  dispatch.shader = {"kernels/data/fill.wgsl", {}};
  dispatch.operands = {out(problem.y)};
  dispatch.set_uniforms(FillParams{static_cast<uint32_t>(words), word_of(problem.y.storage, problem.value), 0, 0});
  add_threads(std::move(dispatch), words, recorder);
}

void plan_range(const RangeProblem& problem, Recorder& recorder) {
  const Storage storage = problem.y.storage;
  check_size(problem.y, "range");
  if (storage != Storage::kF32 && storage != Storage::kF16 && storage != Storage::kI32)
    fail("range", "the output must be float or int");
  Dispatch dispatch;
  dispatch.name = "range";
  dispatch.shader = {"kernels/data/range.wgsl",
                     {{"T", wgsl_type(storage)}, {"A", storage == Storage::kI32 ? "i32" : "f32"}}};
  dispatch.operands = {out(problem.y)};
  const auto count = static_cast<uint32_t>(problem.y.elements());
  dispatch.set_uniforms(RangeParams{count, value_bits(storage, problem.start), value_bits(storage, problem.delta), 0});
  add_threads(std::move(dispatch), count, recorder);
}

}  // namespace sluice::kernels
