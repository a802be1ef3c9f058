#include "kernels/data/narrow.h"

#include "kernels/data/common.h"

namespace sluice::kernels {
namespace {

struct alignas(16) Params {
  uint32_t count, pad[3];
};

}  // namespace

void plan_unpack(const UnpackProblem& problem, Recorder& recorder) {
  const Tensor& x = problem.x;
  const Tensor& y = problem.y;
  if (x.storage != Storage::kBytes || y.storage != Storage::kI32)
    fail("unpack", "the input must be packed bytes, the output whole integers");
  if (problem.bits != 4 && problem.bits != 8)
    fail("unpack", "numbers of 4 or 8 bits are supported, got {}", problem.bits);
  check_size(y, "unpack");
  const uint64_t bytes = (y.elements() * problem.bits + 7) / 8;
  check_count(x, bytes, "the input", "unpack");
  Dispatch dispatch;
  dispatch.name = fmt::format("unpack/{}", problem.bits);
  dispatch.shader = {"kernels/data/unpack_narrow.wgsl",
                     {{"BITS", problem.bits}, {"SIGNED", problem.is_signed ? 1u : 0u}}};
  dispatch.operands = {in(x), out(y)};
  dispatch.set_uniforms(Params{static_cast<uint32_t>(y.elements()), {}});
  add_threads(std::move(dispatch), y.elements(), recorder);
}

void plan_pack_bytes(const Tensor& x, const Tensor& y, Recorder& recorder) {
  if (x.storage != Storage::kI32 || y.storage != Storage::kBytes)
    fail("pack_bytes", "the input must be whole integers, the output packed bytes");
  check_size(x, "pack_bytes");
  check_count(x, y.elements(), "the input", "pack_bytes");
  Dispatch dispatch;
  dispatch.name = "pack_bytes";
  dispatch.shader = {"kernels/data/pack_bytes.wgsl", {}};
  dispatch.operands = {in(x), out(y)};
  dispatch.set_uniforms(Params{static_cast<uint32_t>(x.elements()), {}});
  add_threads(std::move(dispatch), ceil_div64(x.elements(), 4), recorder);
}

}  // namespace sluice::kernels
