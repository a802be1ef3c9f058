// Products and look-ups whose weights are larger than one binding: planned once for each part of the weights' rows. The
// kernels know nothing of it but, for look-ups, which rows they hold.
#pragma once

#include "kernels/data/gather.h"
#include "kernels/data/gather_block_quantized.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/matmul_nbits.h"

namespace sluice::lower {

// Each as the planner of the same problem, for weights of any size. Parts of the outputs are computed one after
// another: of one row in their place, of several rows apart and then joined. A float matrix (k, n) is cut along k and
// the partial products are added up in float32.
void plan_in_parts(const kernels::MatMulNBitsProblem& problem, kernels::Recorder& recorder);
void plan_in_parts(const kernels::MatMulProblem& problem, kernels::Recorder& recorder);
void plan_in_parts(const kernels::GatherProblem& problem, kernels::Recorder& recorder);
void plan_in_parts(const kernels::GatherBlockQuantizedProblem& problem, kernels::Recorder& recorder);

}  // namespace sluice::lower
