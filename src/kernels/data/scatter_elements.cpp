#include "kernels/data/scatter_elements.h"

#include "kernels/common/strides.h"
#include "kernels/data/common.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "scatter_elements";
constexpr size_t kMaxRank = 8;

struct alignas(16) Params {
  uint32_t lines, length, updates,
      step;  // lines of data along the axis, their length, updates of a line, data's axis step
  uint32_t update_step, pad0, pad1, pad2;
  uint32_t dims[kMaxRank], update_dims[kMaxRank];  // but the axis, which has size 1
  uint32_t strides[kMaxRank], update_strides[kMaxRank];
};
static_assert(sizeof(Params) == 160);

void check(const ScatterElementsProblem& problem) {
  const Tensor& data = problem.data;
  const Tensor& indices = problem.indices;
  check_same_storage(data, problem.y, kTag);
  check_same_storage(problem.updates, problem.y, kTag);
  check_indices(indices, kTag);
  check_size(data, kTag);
  check_size(indices, kTag);
  if (data.storage == Storage::kBytes) fail(kTag, "packed bytes (uint8) are not supported");
  if (!is_float_or_int(data) && problem.reduction != ScatterReduction::kNone) {
    fail(kTag, "a reduction of bool, uint32 or uint64 is not supported");
  }
  if (data.rank() > kMaxRank) fail(kTag, "at most {} dimensions are supported, got {}", kMaxRank, data.rank());
  if (problem.axis >= data.rank()) fail(kTag, "axis {} is not below the rank {}", problem.axis, data.rank());
  if (problem.y.shape != data.shape) fail(kTag, "data and output must have one shape");
  if (indices.rank() != data.rank() || problem.updates.shape != indices.shape) {
    fail(kTag, "indices and updates must have one shape of rank {}, got {} and {}", data.rank(),
         shape_text(indices.shape), shape_text(problem.updates.shape));
  }
  for (uint32_t d = 0; d < data.rank(); ++d) {
    if (d != problem.axis && indices.shape[d] > data.shape[d]) {
      fail(kTag, "indices must not be larger than data in axis {}: {} > {}", d, indices.shape[d], data.shape[d]);
    }
  }
}

Params params_of(const ScatterElementsProblem& problem) {
  const Tensor& data = problem.data;
  const Tensor& indices = problem.indices;
  const auto strides = row_major_strides(data.shape);
  const auto update_strides = row_major_strides(indices.shape);
  Params params{};
  params.length = data.shape[problem.axis];
  params.lines = static_cast<uint32_t>(data.elements() / params.length);
  params.updates = indices.shape[problem.axis];
  params.step = static_cast<uint32_t>(strides[problem.axis]);
  params.update_step = static_cast<uint32_t>(update_strides[problem.axis]);
  for (size_t d = 0; d < data.shape.size(); ++d) {
    const bool along = d == problem.axis;
    params.dims[d] = along ? 1 : data.shape[d];
    params.update_dims[d] = along ? 1 : indices.shape[d];
    params.strides[d] = static_cast<uint32_t>(strides[d]);
    params.update_strides[d] = static_cast<uint32_t>(update_strides[d]);
  }
  return params;
}

}  // namespace

void plan_scatter_elements(const ScatterElementsProblem& problem, Recorder& recorder) {
  check(problem);
  if (problem.data.elements() == 0) return;
  const Params params = params_of(problem);
  const Storage storage = problem.data.storage;
  Dispatch dispatch;
  dispatch.name = kTag;
  dispatch.shader = {"kernels/data/scatter_elements.wgsl",
                     {{"T", wgsl_type(storage)},
                      {"A", storage == Storage::kF16 ? "f32" : wgsl_type(storage)},
                      {"REDUCTION", static_cast<uint32_t>(problem.reduction)},
                      {"RANK", problem.data.rank()},
                      {"WG", 64u}}};
  // Without updates indices and updates have no elements to bind.
  const bool empty = problem.indices.elements() == 0;
  dispatch.operands = {in(problem.data), in(empty ? problem.data : problem.indices),
                       in(empty ? problem.data : problem.updates), out(problem.y)};
  dispatch.set_uniforms(params);
  dispatch.groups = fold_groups(params.lines, recorder.caps());
  recorder.add(std::move(dispatch));
}

}  // namespace sluice::kernels
