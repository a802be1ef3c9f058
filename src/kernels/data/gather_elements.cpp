#include "kernels/data/gather_elements.h"

#include "kernels/common/strides.h"
#include "kernels/data/common.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "gather_elements";
constexpr size_t kMaxRank = 8;

struct alignas(16) Params {
  uint32_t count, axis, step, missing;
  uint32_t dims[kMaxRank], strides[kMaxRank];
};
static_assert(sizeof(Params) == 80);

void check(const GatherElementsProblem& problem) {
  const Tensor& data = problem.data;
  const Tensor& indices = problem.indices;
  check_same_storage(data, problem.y, kTag);
  check_indices(indices, kTag);
  check_size(data, kTag);
  check_size(problem.y, kTag);
  if (data.storage == Storage::kBytes) fail(kTag, "packed bytes (uint8) are not supported");
  if (problem.axis >= data.rank()) fail(kTag, "axis {} is not below the rank {}", problem.axis, data.rank());
  if (indices.rank() != data.rank() || problem.y.shape != indices.shape) {
    fail(kTag, "indices and output must have one shape of rank {}, got {} and {}", data.rank(),
         shape_text(indices.shape), shape_text(problem.y.shape));
  }
  for (uint32_t d = 0; d < data.rank(); ++d) {
    if (d != problem.axis && indices.shape[d] > data.shape[d]) {
      fail(kTag, "indices must not be larger than data in axis {}: {} > {}", d, indices.shape[d], data.shape[d]);
    }
  }
}

}  // namespace

void plan_gather_elements(const GatherElementsProblem& problem, Recorder& recorder) {
  check(problem);
  if (problem.y.elements() == 0) return;
  const Tensor& data = problem.data;
  if (data.elements() == 0) fail(kTag, "axis {} of size 0 has nothing to gather", problem.axis);
  auto strides = row_major_strides(data.shape);
  Params params{};
  params.count = static_cast<uint32_t>(problem.y.elements());
  params.axis = data.shape[problem.axis];
  params.step = static_cast<uint32_t>(strides[problem.axis]);
  params.missing = missing_value_bits(data.storage, {});
  // The index decides where along the axis; its own coordinate does not count.
  strides[problem.axis] = 0;
  StridedSpace space{problem.y.shape, {row_major_strides(problem.y.shape), strides}};
  space.collapse();
  if (space.dims.size() > kMaxRank) {
    fail(kTag, "at most {} dimensions are supported after joining, got {}", kMaxRank, space.dims.size());
  }
  for (size_t d = 0; d < space.dims.size(); ++d) {
    params.dims[d] = space.dims[d];
    params.strides[d] = static_cast<uint32_t>(space.strides[1][d]);
  }
  Dispatch dispatch;
  dispatch.name = kTag;
  dispatch.shader = {
      "kernels/data/gather_elements.wgsl",
      {{"T", data.storage == Storage::kF16 ? "f16" : "u32"}, {"RANK", static_cast<uint32_t>(space.dims.size())}}};
  dispatch.operands = {in(data), in(problem.indices), out(problem.y)};
  dispatch.set_uniforms(params);
  add_threads(std::move(dispatch), params.count, recorder);
}

}  // namespace sluice::kernels
