#include "kernels/common/strides.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace sluice::kernels {

void StridedSpace::collapse() {
  std::vector<uint32_t> joined;
  std::vector<std::vector<int64_t>> steps(strides.size());
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 1) continue;
    bool joins = !joined.empty();
    for (size_t k = 0; joins && k < strides.size(); ++k) joins = steps[k].back() == strides[k][d] * dims[d];
    if (!joins) joined.push_back(1);
    joined.back() *= dims[d];
    for (size_t k = 0; k < strides.size(); ++k) {
      if (joins) {
        steps[k].back() = strides[k][d];
      } else {
        steps[k].push_back(strides[k][d]);
      }
    }
  }
  if (joined.empty()) {
    joined.push_back(1);
    for (auto& s : steps) s.push_back(0);
  }
  dims = std::move(joined);
  strides = std::move(steps);
}

std::pair<int64_t, int64_t> extent(const std::vector<uint32_t>& dims, const std::vector<int64_t>& strides,
                                   int64_t offset) {
  int64_t first = offset, last = offset;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 0) return {offset, offset};
    const int64_t span = (int64_t{dims[d]} - 1) * strides[d];
    first += std::min<int64_t>(span, 0);
    last += std::max<int64_t>(span, 0);
  }
  return {first, last};
}

std::vector<int64_t> row_major_strides(const std::vector<uint32_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t d = shape.size(); d-- > 0; step *= shape[d]) strides[d] = step;
  return strides;
}

std::vector<int64_t> broadcast_strides(const std::vector<uint32_t>& from, const std::vector<uint32_t>& to,
                                       std::string_view tag) {
  const auto own = row_major_strides(from);
  std::vector<int64_t> strides(to.size(), 0);
  bool fits = from.size() <= to.size();
  for (size_t d = 0; fits && d < from.size(); ++d) {
    const size_t at = to.size() - from.size() + d;
    fits = from[d] == to[at] || from[d] == 1;
    strides[at] = from[d] == 1 ? 0 : own[d];
  }
  if (!fits) fail(tag, "shape {} does not broadcast to {}", shape_text(from), shape_text(to));
  return strides;
}

// Joins what one step walks, then deals each joined dimension out to the new ones, innermost first.
std::optional<std::vector<int64_t>> reshape_strides(const std::vector<uint32_t>& from,
                                                    const std::vector<int64_t>& strides,
                                                    const std::vector<uint32_t>& to) {
  StridedSpace space{from, {strides}};
  space.collapse();
  std::vector<int64_t> result(to.size(), 0);
  size_t block = space.dims.size();
  uint32_t left = 1;  // of the block's elements
  int64_t step = 0;
  for (size_t d = to.size(); d-- > 0;) {
    if (to[d] == 1) continue;
    if (left == 1) {
      left = space.dims[--block];
      step = space.strides[0][block];
    }
    if (left % to[d] != 0) return std::nullopt;
    result[d] = step;
    step *= to[d];
    left /= to[d];
  }
  return result;
}

std::string shape_text(const std::vector<uint32_t>& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

}  // namespace sluice::kernels
