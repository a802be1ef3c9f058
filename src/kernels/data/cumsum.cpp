#include "kernels/data/cumsum.h"

#include "kernels/data/common.h"
#include "kernels/data/lines.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "cumsum";
constexpr uint32_t kWorkgroup = 256;
constexpr uint32_t kSerialLength = 16;
constexpr uint32_t kSerialLines = 8192;

struct alignas(16) Params {
  uint32_t lines, length, inner, pad;
};

}  // namespace

void plan_cumsum(const CumsumProblem& problem, Recorder& recorder) {
  const Tensor& x = problem.x;
  const Lines lines = lines_along(x, problem.axis, kTag);
  if (!is_float_or_int(x)) fail(kTag, "bool, uint8, uint32 and uint64 are not supported");
  check_same_storage(x, problem.y, kTag);
  if (problem.y.shape != x.shape) fail(kTag, "input and output must have one shape");
  check_size(x, kTag);
  if (x.elements() == 0) return;
  const bool serial = lines.length <= kSerialLength || lines.count() >= kSerialLines;
  Dispatch dispatch;
  dispatch.name = serial ? "cumsum/serial" : "cumsum/scan";
  dispatch.shader = {"kernels/data/cumsum.wgsl",
                     {{"X", wgsl_type(x.storage)},
                      {"A", x.storage == Storage::kI32 ? "i32" : "f32"},
                      {"EXCLUSIVE", problem.exclusive ? 1u : 0u},
                      {"REVERSE", problem.reverse ? 1u : 0u},
                      {"SERIAL", serial ? 1u : 0u},
                      {"WG", kWorkgroup}}};
  dispatch.operands = {in(x), out(problem.y)};
  dispatch.set_uniforms(Params{static_cast<uint32_t>(lines.count()), static_cast<uint32_t>(lines.length),
                               static_cast<uint32_t>(lines.inner), 0});
  const uint64_t groups = serial ? ceil_div64(lines.count(), kWorkgroup) : lines.count();
  dispatch.groups = fold_groups(groups, recorder.caps());
  recorder.add(std::move(dispatch));
}

}  // namespace sluice::kernels
