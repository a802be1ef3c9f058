// Inside of the norm planners: one problem for RMS and layer norm, with and without a residual.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels::norm {

struct Problem {
  const char* tag;                                           // operator named in errors
  Tensor x{}, skip{}, bias{}, weight{}, beta{}, y{}, sum{};  // empty where absent
  Tensor mean{}, factor{};                                   // of each row; empty where not wanted
  Tensor inner{};                                            // weight of a norm of x before the skip is added, or empty
  bool centred = false;
  float epsilon = 0, inner_epsilon = 0;
};

void plan(const Problem& problem, Recorder& recorder);

}  // namespace sluice::kernels::norm
