// Plain definition of the element-wise machine: what the tests hold the kernels against.
#pragma once

#include <vector>

#include "kernels/elementwise/elementwise.h"

namespace sluice::kernels {

// Values of floats, ints and bools (0 or 1) alike as doubles; floats are computed in double and rounded to float32
// after every instruction. One result for every element of problem.output.
std::vector<double> elementwise_ref(const ElementwiseProblem& problem, const std::vector<std::vector<double>>& inputs);

}  // namespace sluice::kernels
