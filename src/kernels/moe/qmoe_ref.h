// The definition of QMoE in plain C++ with double accumulation: the tests' oracle.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/matmul/nbits_ref.h"
#include "kernels/moe/qmoe.h"

namespace sluice::kernels {

struct QMoEHost {
  struct Expert {
    NBitsData weights;        // no rows: absent
    std::vector<float> bias;  // may be empty
  };
  uint32_t tokens = 0, hidden = 0, inner = 0, experts = 0;
  std::vector<float> input, router, router_weights, residual;  // the last two may be empty
  Expert fc1, fc2, fc3;
  std::vector<float> choice_bias;  // of a sigmoid router; may be empty
};

// Only the attributes of `problem` are read.
std::vector<float> qmoe_reference(const QMoEProblem& problem, const QMoEHost& host);

}  // namespace sluice::kernels
