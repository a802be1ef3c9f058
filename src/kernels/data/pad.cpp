#include "kernels/data/pad.h"

#include <bit>
#include <cmath>

#include "kernels/common/strides.h"
#include "kernels/data/common.h"
#include "kernels/data/value_bits.h"

namespace sluice::kernels {
namespace {

constexpr size_t kMaxRank = 8;

struct alignas(16) Params {
  uint32_t count, value, pad0, pad1;
  uint32_t y_dims[kMaxRank], x_dims[kMaxRank], begins[kMaxRank];
};
static_assert(sizeof(Params) == 112);

struct Space {
  std::vector<uint32_t> y_dims, x_dims;
  std::vector<int64_t> begins;
};

// Joins an axis without padding to the one before it.
Space join(const PadProblem& problem) {
  Space space;
  for (size_t d = 0; d < problem.x.shape.size(); ++d) {
    const uint32_t x = problem.x.shape[d], y = problem.y.shape[d];
    if (d != 0 && x == y && problem.begins[d] == 0) {
      space.y_dims.back() *= y;
      space.x_dims.back() *= x;
      space.begins.back() *= x;
    } else {
      space.y_dims.push_back(y);
      space.x_dims.push_back(x);
      space.begins.push_back(problem.begins[d]);
    }
  }
  return space;
}

}  // namespace

void plan_pad(const PadProblem& problem, Recorder& recorder) {
  const Tensor& x = problem.x;
  const Tensor& y = problem.y;
  check_same_storage(x, y, "pad");
  if (x.storage == Storage::kBytes) fail("pad", "packed bytes (uint8) are not supported");
  if (y.rank() != x.rank() || problem.begins.size() != x.rank()) {
    fail("pad", "output and begins must have the input's rank {}, got {} and {}", x.rank(), y.rank(),
         problem.begins.size());
  }
  check_size(x, "pad");
  check_size(y, "pad");
  if (y.elements() == 0) return;
  const Space space = join(problem);
  if (space.y_dims.size() > kMaxRank) {
    fail("pad", "at most {} dimensions are supported after joining, got {}", kMaxRank, space.y_dims.size());
  }
  Params params{};
  params.count = static_cast<uint32_t>(y.elements());
  params.value = value_bits(x.storage, problem.value);
  for (size_t d = 0; d < space.y_dims.size(); ++d) {
    params.y_dims[d] = space.y_dims[d];
    params.x_dims[d] = space.x_dims[d];
    params.begins[d] = static_cast<uint32_t>(space.begins[d]);
  }
  Dispatch dispatch;
  dispatch.name = "pad";
  dispatch.shader = {
      "kernels/data/pad.wgsl",
      {{"T", x.storage == Storage::kF16 ? "f16" : "u32"}, {"RANK", static_cast<uint32_t>(space.y_dims.size())}}};
  dispatch.operands = {in(x), out(y)};
  dispatch.set_uniforms(params);
  add_threads(std::move(dispatch), params.count, recorder);
}

}  // namespace sluice::kernels
