// A tensor as lines along one axis: (outer, length, inner).
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/common/plan.h"

namespace sluice::kernels {

struct Lines {
  uint64_t outer = 1, length = 1, inner = 1;
  uint64_t count() const { return outer * inner; }
};

inline Lines lines_along(const Tensor& x, uint32_t axis, std::string_view tag) {
  if (axis >= x.rank()) fail(tag, "axis {} is not below the rank {}", axis, x.rank());
  Lines lines;
  for (uint32_t d = 0; d < axis; ++d) lines.outer *= x.shape[d];
  lines.length = x.shape[axis];
  for (uint32_t d = axis + 1; d < x.rank(); ++d) lines.inner *= x.shape[d];
  return lines;
}

}  // namespace sluice::kernels
