#include "kernels/data/strided_copy.h"

#include <numeric>

#include "kernels/common/strides.h"
#include "kernels/data/common.h"

namespace sluice::kernels {
namespace {

constexpr size_t kMaxRank = 8;

struct alignas(16) Params {
  uint32_t count, x_offset, y_offset, pad;
  uint32_t dims[kMaxRank], x_strides[kMaxRank], y_strides[kMaxRank];
};
static_assert(sizeof(Params) == 112);

// How many elements always move together.
uint64_t granularity(const StridedSpace& space, const StridedCopy& copy) {
  for (const auto& strides : space.strides) {
    if (strides.back() != 1 && space.dims.back() != 1) return 1;
  }
  int64_t common = std::gcd(copy.x_offset, copy.y_offset);
  common = std::gcd(common, static_cast<int64_t>(space.dims.back()));
  for (const auto& strides : space.strides) {
    for (size_t d = 0; d + 1 < strides.size(); ++d) common = std::gcd(common, strides[d]);
  }
  return static_cast<uint64_t>(common);
}

// The last word of packed bytes may be moved whole.
void check_extent(const Tensor& tensor, const std::vector<uint32_t>& dims, const std::vector<int64_t>& strides,
                  int64_t offset, std::string_view tag) {
  const auto [first, last] = extent(dims, strides, offset);
  const uint64_t elements = tensor.storage == Storage::kBytes ? (tensor.elements() + 3) / 4 * 4 : tensor.elements();
  if (first < 0 || last >= static_cast<int64_t>(elements))
    fail(tag, "elements {} to {} of a tensor of {} are meant", first, last, tensor.elements());
}

}  // namespace

void plan_strided_copy(const StridedCopy& copy, std::string_view tag, Recorder& recorder) {
  check_same_storage(copy.x, copy.y, tag);
  check_size(copy.x, tag);
  check_size(copy.y, tag);
  uint64_t count = 1;
  for (const uint32_t d : copy.dims) count *= d;
  if (count == 0) return;
  check_extent(copy.x, copy.dims, copy.x_strides, copy.x_offset, tag);
  check_extent(copy.y, copy.dims, copy.y_strides, copy.y_offset, tag);
  StridedSpace space{copy.dims, {copy.x_strides, copy.y_strides}};
  space.collapse();
  if (space.dims.size() > kMaxRank) {
    fail(tag, "at most {} dimensions are supported after joining, got {}", kMaxRank, space.dims.size());
  }
  const CopyUnit unit = copy_unit(copy.x.storage, granularity(space, copy), tag);

  // Negative steps work out because addresses wrap modulo 2^32.
  const auto in_units = [&unit](int64_t elements) { return static_cast<uint32_t>(elements / unit.elements); };
  Params params{};
  params.count = static_cast<uint32_t>(count / unit.elements);
  params.x_offset = in_units(copy.x_offset);
  params.y_offset = in_units(copy.y_offset);
  for (size_t d = 0; d < space.dims.size(); ++d) {
    const bool inner = d + 1 == space.dims.size();
    params.dims[d] = inner ? space.dims[d] / unit.elements : space.dims[d];
    params.x_strides[d] = inner ? static_cast<uint32_t>(space.strides[0][d]) : in_units(space.strides[0][d]);
    params.y_strides[d] = inner ? static_cast<uint32_t>(space.strides[1][d]) : in_units(space.strides[1][d]);
  }
  Dispatch dispatch;
  dispatch.name = copy.name;
  dispatch.shader = {"kernels/data/strided_copy.wgsl",
                     {{"T", unit.type}, {"RANK", static_cast<uint32_t>(space.dims.size())}}};
  const uint64_t read = std::min<uint64_t>(copy.x.elements(), count);
  dispatch.operands = {touching(storage_bytes(copy.x.storage, read), in(copy.x)),
                       touching(storage_bytes(copy.y.storage, count), out(copy.y))};
  dispatch.set_uniforms(params);
  add_threads(std::move(dispatch), params.count, recorder);
}

}  // namespace sluice::kernels
