#include "kernels/data/arg_reduce.h"

#include "kernels/data/common.h"
#include "kernels/data/lines.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "arg_reduce";
constexpr uint32_t kWorkgroup = 256;
constexpr uint32_t kSerialLength = 32;

struct alignas(16) Params {
  uint32_t lines, length, inner, pad;
};

}  // namespace

void plan_arg_reduce(const ArgReduceProblem& problem, Recorder& recorder) {
  const Tensor& x = problem.x;
  const Lines lines = lines_along(x, problem.axis, kTag);
  if (!is_float_or_int(x)) fail(kTag, "bool, uint8, uint32 and uint64 are not supported");
  if (problem.y.storage != Storage::kI32) fail(kTag, "the output must be integers");
  if (x.slot == problem.y.slot) fail(kTag, "input and output must not share storage");
  check_size(x, kTag);
  check_count(problem.y, lines.count(), "the output", kTag);
  if (problem.y.elements() == 0) return;
  if (lines.length == 0) fail(kTag, "axis {} of size 0 has no greatest or least element", problem.axis);

  const bool columns = lines.inner > 1 && lines.count() >= 4096;
  const bool serial = lines.length <= kSerialLength || columns;
  Dispatch dispatch;
  dispatch.name = serial ? "arg_reduce/serial" : "arg_reduce/row";
  dispatch.shader = {"kernels/data/arg_reduce.wgsl",
                     {{"X", wgsl_type(x.storage)},
                      {"IS_MAX", problem.is_max ? 1u : 0u},
                      {"LAST", problem.select_last_index ? 1u : 0u},
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
