// Gather: whole slices of data along one axis, picked by index.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// data (outer.., K, inner..), indices kI32 of any shape, y (outer.., indices.., inner..) of data's storage. -K <= index
// < K, negative counted from the end. ONNX Runtime's CPU provider raises an error for any other index, which a GPU
// cannot: such a slice of y is NaN for floats and 0 for the rest. kBytes only where inner is a multiple of 4 bytes.
struct GatherProblem {
  Tensor data, indices, y;
  uint32_t axis = 0;
  // data is part of a table whose axis has `whole` slices (0: it is all of it), `first` of them before it. Elements of
  // y from other slices are left as they are; the part from 0 on also writes those of indices out of range.
  uint32_t first = 0, whole = 0;
};
void plan_gather(const GatherProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
