// The copy that transpose, slice, split, expand, tile and copy come down to: both sides walked by strides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// y[y_offset + sum c_d y_strides_d] = x[x_offset + sum c_d x_strides_d] for all coordinates c below dims.
struct StridedCopy {
  std::string name;
  Tensor x, y;
  std::vector<uint32_t> dims;
  std::vector<int64_t> x_strides, y_strides;
  int64_t x_offset = 0, y_offset = 0;
};

// Throws under `tag` for storages that differ, more than 8 dimensions after joining, or bytes that do not move in
// words.
void plan_strided_copy(const StridedCopy& copy, std::string_view tag, Recorder& recorder);

}  // namespace sluice::kernels
