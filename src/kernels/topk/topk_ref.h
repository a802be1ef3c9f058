// The definition of TopK in plain C++: the tests' oracle.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::kernels {

struct TopKResult {
  std::vector<double> values;
  std::vector<int32_t> indices;
};

// x holds f32, f16 or i32 values exactly. Order: as TopKProblem says, NaN above every number.
TopKResult topk_reference(const std::vector<double>& x, const std::vector<uint32_t>& shape, uint32_t axis, uint32_t k,
                          bool largest);

}  // namespace sluice::kernels
