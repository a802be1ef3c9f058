// Index arithmetic of planners: an iteration space of dimensions, and for every operand the step that each dimension
// takes in it. Kernels walk it with few divisions because neighbouring dimensions that all operands walk as one are
// joined.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::kernels {

// strides[operand][dimension], in elements; 0 where an operand is repeated, negative where it is walked backwards.
struct StridedSpace {
  std::vector<uint32_t> dims;
  std::vector<std::vector<int64_t>> strides;

  // Drops dimensions of size 1 and joins neighbours; leaves at least one dimension. Sizes must not be 0.
  void collapse();
};

// The least and the greatest index that a walk from `offset` on comes to; `offset` twice for an empty one.
std::pair<int64_t, int64_t> extent(const std::vector<uint32_t>& dims, const std::vector<int64_t>& strides,
                                   int64_t offset);

// Strides of a contiguous tensor.
std::vector<int64_t> row_major_strides(const std::vector<uint32_t>& shape);

// Strides with which a tensor of shape `from` is read along the dimensions of `to`, as NumPy broadcasts. Fails under
// `tag` if it does not.
std::vector<int64_t> broadcast_strides(const std::vector<uint32_t>& from, const std::vector<uint32_t>& to,
                                       std::string_view tag);

// The strides along the dimensions of `to` with which elements come in the same order as by `strides` along those of
// `from`; nothing where no strides do. Both have as many elements, at least one.
std::optional<std::vector<int64_t>> reshape_strides(const std::vector<uint32_t>& from,
                                                    const std::vector<int64_t>& strides,
                                                    const std::vector<uint32_t>& to);

// "2x3x4", for messages.
std::string shape_text(const std::vector<uint32_t>& shape);

}  // namespace sluice::kernels
