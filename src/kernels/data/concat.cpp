#include "kernels/data/concat.h"

#include <numeric>

#include "kernels/common/strides.h"
#include "kernels/data/common.h"
#include "kernels/data/strided_copy.h"

namespace sluice::kernels {
namespace {

constexpr uint32_t kInputs = 7;  // of one dispatch: storage bindings but one

struct alignas(16) Params {
  uint32_t count;       // units of this dispatch: rows * width
  uint32_t width;       // units of a row that these inputs fill
  uint32_t row;         // units of a row of y
  uint32_t start;       // where they begin in it
  uint32_t ends[8];     // where each input ends within width
  uint32_t lengths[8];  // units of a row of each input
};
static_assert(sizeof(Params) == 80);

void check(const ConcatProblem& problem) {
  const Tensor& y = problem.y;
  if (problem.axis >= y.rank()) fail("concat", "axis {} is not below the rank {}", problem.axis, y.rank());
  check_size(y, "concat");
  uint64_t length = 0;
  for (const Tensor& x : problem.inputs) {
    check_same_storage(x, y, "concat");
    auto shape = y.shape;
    shape[problem.axis] = problem.axis < x.rank() ? x.shape[problem.axis] : 0;
    if (x.shape != shape) {
      fail("concat", "an input of shape {} does not fit {} but for axis {}", shape_text(x.shape), shape_text(y.shape),
           problem.axis);
    }
    length += shape[problem.axis];
  }
  if (length != y.shape[problem.axis]) {
    fail("concat", "axis {} must have size {}, got {}", problem.axis, length, y.shape[problem.axis]);
  }
}

}  // namespace

void plan_concat(const ConcatProblem& problem, Recorder& recorder) {
  check(problem);
  if (problem.y.elements() == 0) return;
  uint64_t inner = 1;
  for (size_t d = problem.axis + 1; d < problem.y.shape.size(); ++d) inner *= problem.y.shape[d];
  std::vector<Tensor> inputs;
  uint64_t granularity = 0;
  for (const Tensor& x : problem.inputs) {
    if (x.elements() == 0) continue;
    inputs.push_back(x);
    granularity = std::gcd(granularity, x.shape[problem.axis] * inner);
  }
  const CopyUnit unit = copy_unit(problem.y.storage, granularity, "concat");
  const auto row = static_cast<uint32_t>(problem.y.shape[problem.axis] * inner / unit.elements);
  const auto rows = static_cast<uint32_t>(problem.y.elements() / unit.elements / row);

  uint32_t start = 0;
  for (size_t first = 0; first < inputs.size(); first += kInputs) {
    Params params{};
    Dispatch dispatch;
    dispatch.name = "concat";
    dispatch.shader = {"kernels/data/concat.wgsl", {{"T", unit.type}}};
    for (size_t k = 0; k < kInputs; ++k) {
      // Bindings that are left over repeat an input and are never read.
      const Tensor& x = first + k < inputs.size() ? inputs[first + k] : inputs[first];
      const bool used = first + k < inputs.size();
      params.lengths[k] = used ? static_cast<uint32_t>(x.shape[problem.axis] * inner / unit.elements) : 0;
      params.width += params.lengths[k];
      params.ends[k] = params.width;
      dispatch.operands.push_back(in(x));
    }
    dispatch.operands.push_back(out(problem.y));
    params.count = rows * params.width;
    params.row = row;
    params.start = start;
    start += params.width;
    dispatch.set_uniforms(params);
    add_threads(std::move(dispatch), params.count, recorder);
  }
}

}  // namespace sluice::kernels
