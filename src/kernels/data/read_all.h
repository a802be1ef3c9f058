// Reads a tensor once and does next to nothing with it: what the memory's bandwidth is measured with.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// sums[w] = sum, modulo 2^32, of the words that workgroup w reads; together the workgroups read each word of x once.
struct ReadAllProblem {
  static constexpr uint32_t kBlockWords = 8192;  // read by a workgroup at a time
  Tensor x;                                      // kUnsigned, a positive multiple of kBlockWords
  Tensor sums;                                   // kUnsigned (W): W workgroups share the work, at most 65535
};
void plan_read_all(const ReadAllProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
