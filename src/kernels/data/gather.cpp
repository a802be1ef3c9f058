#include "kernels/data/gather.h"

#include "kernels/common/strides.h"
#include "kernels/data/common.h"

namespace sluice::kernels {
namespace {

struct alignas(16) Params {
  uint32_t count;    // units of y
  uint32_t inner;    // units of a slice
  uint32_t indices;  // number of indices
  uint32_t axis;     // size of the whole table's axis
  uint32_t missing;
  uint32_t first, slices;  // of the axis that data holds
  uint32_t pad;
};
static_assert(sizeof(Params) == 32);

uint64_t product(const std::vector<uint32_t>& shape, size_t first, size_t last) {
  uint64_t p = 1;
  for (size_t d = first; d < last; ++d) p *= shape[d];
  return p;
}

}  // namespace

void plan_gather(const GatherProblem& problem, Recorder& recorder) {
  const Tensor& data = problem.data;
  check_same_storage(data, problem.y, "gather");
  check_indices(problem.indices, "gather");
  check_size(data, "gather");
  check_size(problem.y, "gather");
  if (problem.axis >= data.rank()) fail("gather", "axis {} is not below the rank {}", problem.axis, data.rank());
  const uint64_t outer = product(data.shape, 0, problem.axis);
  const uint64_t inner = product(data.shape, problem.axis + 1, data.rank());
  check_count(problem.y, outer * problem.indices.elements() * inner, "the output", "gather");
  if (problem.y.elements() == 0) return;
  if (data.elements() == 0) fail("gather", "axis {} of size 0 has nothing to gather", problem.axis);
  const CopyUnit unit = copy_unit(data.storage, inner, "gather");
  Params params{};
  params.count = static_cast<uint32_t>(problem.y.elements() / unit.elements);
  params.inner = static_cast<uint32_t>(inner / unit.elements);
  params.indices = static_cast<uint32_t>(problem.indices.elements());
  params.slices = data.shape[problem.axis];
  params.axis = problem.whole == 0 ? params.slices : problem.whole;
  params.first = problem.first;
  if (params.first > params.axis || params.slices > params.axis - params.first)
    fail("gather", "slices {} to {} are beyond the whole of {}", params.first, params.first + params.slices,
         params.axis);
  params.missing = missing_value_bits(data.storage, unit);
  Dispatch dispatch;
  dispatch.name = "gather";
  dispatch.shader = {"kernels/data/gather.wgsl", {{"T", unit.type}}};
  dispatch.operands = {touching(storage_bytes(data.storage, problem.y.elements()), in(data)), in(problem.indices),
                       out(problem.y)};
  dispatch.set_uniforms(params);
  add_threads(std::move(dispatch), params.count, recorder);
}

}  // namespace sluice::kernels
