// GatherND: slices of data picked by index tuples.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// indices kI32 (batch.., n.., q): each row of q numbers picks data[batch.., i0, .., iq-1, rest..]; y (batch.., n..,
// rest..) of data's storage. Negative indices count from the end; out of range gives NaN for floats and 0 for the rest.
// batch_dims + q <= rank of data, q from 1 to 8. kBytes only where a slice is a multiple of 4 bytes.
struct GatherNdProblem {
  Tensor data, indices, y;
  uint32_t batch_dims = 0;
};
void plan_gather_nd(const GatherNdProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
