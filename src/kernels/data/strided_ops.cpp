// The operators that are one strided copy.
#include "kernels/common/strides.h"
#include "kernels/data/common.h"
#include "kernels/data/copy.h"
#include "kernels/data/expand.h"
#include "kernels/data/slice.h"
#include "kernels/data/strided_copy.h"
#include "kernels/data/tile.h"
#include "kernels/data/transpose.h"

namespace sluice::kernels {
namespace {

std::vector<uint32_t> full_permutation(const TransposeProblem& problem) {
  std::vector<uint32_t> perm = problem.perm;
  const uint32_t rank = problem.x.rank();
  if (perm.empty()) {
    for (uint32_t d = rank; d-- > 0;) perm.push_back(d);
  }
  std::vector<bool> seen(rank, false);
  if (perm.size() != rank) fail("transpose", "perm must have {} entries, got {}", rank, perm.size());
  for (const uint32_t d : perm) {
    if (d >= rank || seen[d]) fail("transpose", "perm must name each of {} axes once, got {} amiss", rank, d);
    seen[d] = true;
  }
  return perm;
}

void check_shape(const Tensor& y, const std::vector<uint32_t>& shape, std::string_view tag) {
  if (y.shape != shape) {
    fail(tag, "the output must have shape {}, got {}", shape_text(shape), shape_text(y.shape));
  }
}

}  // namespace

void plan_transpose(const TransposeProblem& problem, Recorder& recorder) {
  const auto perm = full_permutation(problem);
  const auto strides = row_major_strides(problem.x.shape);
  StridedCopy copy{"transpose", problem.x, problem.y, {}, {}, row_major_strides(problem.y.shape)};
  for (const uint32_t d : perm) {
    copy.dims.push_back(problem.x.shape[d]);
    copy.x_strides.push_back(strides[d]);
  }
  check_shape(problem.y, copy.dims, "transpose");
  plan_strided_copy(copy, "transpose", recorder);
}

void plan_slice(const SliceProblem& problem, Recorder& recorder) {
  const Tensor& x = problem.x;
  const Tensor& y = problem.y;
  if (problem.starts.size() != x.rank() || problem.steps.size() != x.rank() || y.rank() != x.rank()) {
    fail("slice", "starts, steps and output must have the input's rank {}, got {}, {} and {}", x.rank(),
         problem.starts.size(), problem.steps.size(), y.rank());
  }
  const auto strides = row_major_strides(x.shape);
  StridedCopy copy{"slice", x, y, y.shape, {}, row_major_strides(y.shape)};
  for (size_t d = 0; d < x.shape.size(); ++d) {
    const int64_t first = problem.starts[d];
    const int64_t last = first + (int64_t{y.shape[d]} - 1) * problem.steps[d];
    const bool inside = first >= 0 && first < x.shape[d] && last >= 0 && last < x.shape[d];
    if (y.elements() != 0 && (!inside || problem.steps[d] == 0)) {
      fail("slice", "axis {} of size {} has no elements {} to {} by {}", d, x.shape[d], first, last, problem.steps[d]);
    }
    copy.x_offset += first * strides[d];
    copy.x_strides.push_back(problem.steps[d] * strides[d]);
  }
  plan_strided_copy(copy, "slice", recorder);
}

void plan_split(const SplitProblem& problem, Recorder& recorder) {
  const Tensor& x = problem.x;
  if (problem.axis >= x.rank()) fail("split", "axis {} is not below the rank {}", problem.axis, x.rank());
  uint64_t start = 0;
  for (const Tensor& y : problem.outputs) {
    auto shape = x.shape;
    shape[problem.axis] = problem.axis < y.rank() ? y.shape[problem.axis] : 0;
    check_shape(y, shape, "split");
    if (start + shape[problem.axis] > x.shape[problem.axis]) {
      fail("split", "outputs take more than the {} elements of axis {}", x.shape[problem.axis], problem.axis);
    }
    SliceProblem slice{x, y, std::vector<int32_t>(x.rank(), 0), std::vector<int32_t>(x.rank(), 1)};
    slice.starts[problem.axis] = static_cast<int32_t>(start);
    plan_slice(slice, recorder);
    start += shape[problem.axis];
  }
}

void plan_expand(const ExpandProblem& problem, Recorder& recorder) {
  const auto strides = broadcast_strides(problem.x.shape, problem.y.shape, "expand");
  plan_strided_copy(
      {"expand", problem.x, problem.y, problem.y.shape, strides, row_major_strides(problem.y.shape), 0, 0}, "expand",
      recorder);
}

void plan_tile(const TileProblem& problem, Recorder& recorder) {
  const Tensor& x = problem.x;
  const Tensor& y = problem.y;
  if (x.rank() != y.rank()) fail("tile", "the output's rank must be {}, got {}", x.rank(), y.rank());
  const auto from = row_major_strides(x.shape);
  const auto to = row_major_strides(y.shape);
  StridedCopy copy{"tile", x, y, {}, {}, {}};
  for (size_t d = 0; d < x.shape.size(); ++d) {
    const uint32_t size = x.shape[d];
    if (size == 0 ? y.shape[d] != 0 : y.shape[d] % size != 0) {
      fail("tile", "axis {} of size {} does not repeat to {}", d, size, y.shape[d]);
    }
    copy.dims.insert(copy.dims.end(), {size == 0 ? 0 : y.shape[d] / size, size});
    copy.x_strides.insert(copy.x_strides.end(), {0, from[d]});
    copy.y_strides.insert(copy.y_strides.end(), {to[d] * size, to[d]});
  }
  plan_strided_copy(copy, "tile", recorder);
}

void plan_copy(const CopyProblem& problem, Recorder& recorder) {
  check_count(problem.y, problem.x.elements(), "the output", "copy");
  uint64_t count = problem.x.elements();
  // The last word of packed bytes may be copied whole.
  Tensor x = problem.x, y = problem.y;
  if (x.storage == Storage::kBytes && y.storage == Storage::kBytes) count = ceil_div64(count, 4) * 4;
  if (count > 0xffffffffu) fail("copy", "a tensor of {} elements is beyond 2^32 - 1", count);
  plan_strided_copy({"copy", x, y, {static_cast<uint32_t>(count)}, {1}, {1}, 0, 0}, "copy", recorder);
}

}  // namespace sluice::kernels
