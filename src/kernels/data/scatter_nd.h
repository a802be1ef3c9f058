// ScatterND without reduction: data with slices replaced by updates.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y = data; then y[indices[n.., 0], .., indices[n.., q-1], rest..] = updates[n.., rest..]. indices kI32 (n.., q), q
// from 1 to 8 and at most data's rank. Negative indices count from the end; out of range is ignored. ONNX asks for
// distinct indices: with equal ones it is not determined which update wins. kBytes only where a slice is a multiple of
// 4 bytes.
struct ScatterNdProblem {
  Tensor data, indices, updates, y;
};
void plan_scatter_nd(const ScatterNdProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
