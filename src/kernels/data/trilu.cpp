#include "kernels/data/trilu.h"

#include "kernels/data/common.h"

namespace sluice::kernels {
namespace {

struct alignas(16) Params {
  uint32_t count, rows, columns;
  int32_t k;
};

}  // namespace

void plan_trilu(const TriluProblem& problem, Recorder& recorder) {
  const Tensor& x = problem.x;
  check_same_storage(x, problem.y, "trilu");
  check_size(x, "trilu");
  if (x.storage == Storage::kBytes) fail("trilu", "packed bytes (uint8) are not supported");
  if (x.rank() < 2) fail("trilu", "at least 2 dimensions are needed, got {}", x.rank());
  if (problem.y.shape != x.shape) fail("trilu", "input and output must have one shape");
  const Params params{static_cast<uint32_t>(x.elements()), x.shape[x.rank() - 2], x.last(), problem.k};
  Dispatch dispatch;
  dispatch.name = "trilu";
  dispatch.shader = {"kernels/data/trilu.wgsl",
                     {{"T", x.storage == Storage::kF16 ? "f16" : "u32"}, {"UPPER", problem.upper ? 1u : 0u}}};
  dispatch.operands = {in(x), out(problem.y)};
  dispatch.set_uniforms(params);
  add_threads(std::move(dispatch), params.count, recorder);
}

}  // namespace sluice::kernels
