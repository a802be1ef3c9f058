#include "kernels/common/parts.h"

#include <algorithm>

namespace sluice::kernels {
namespace {

uint64_t unit_bytes(const Tensor& tensor, uint64_t units) {
  const uint64_t elements = tensor.elements() / units;
  return tensor.storage == Storage::kBytes ? elements : tensor.storage == Storage::kF16 ? 2 * elements : 4 * elements;
}

}  // namespace

std::vector<Part> parts_of(uint32_t units, std::initializer_list<const Tensor*> tensors, const gpu::Caps& caps,
                           uint64_t step) {
  const uint64_t limit = std::min(caps.max_binding, caps.max_buffer);
  uint64_t largest = 0;  // bytes of a unit
  bool fits = true;
  for (const Tensor* tensor : tensors) {
    if (!*tensor || units == 0 || tensor->elements() % units != 0) continue;
    const uint64_t bytes = unit_bytes(*tensor, units);
    largest = std::max(largest, bytes);
    fits = fits && bytes * units <= limit;
    while (bytes * step % caps.storage_alignment != 0) step *= 2;
  }
  const uint64_t most = fits ? units : limit / largest / step * step;
  if (fits || most == 0) return {{0, units}};
  const uint64_t parts = ceil_div64(units, most), count = ceil_div64(ceil_div64(units, parts), step) * step;
  std::vector<Part> result;
  for (uint64_t first = 0; first < units; first += count)
    result.push_back({static_cast<uint32_t>(first), static_cast<uint32_t>(std::min<uint64_t>(count, units - first))});
  return result;
}

Tensor part_of(const Tensor& tensor, uint32_t units, Part part) {
  if (!tensor || part.count == units) return tensor;
  Tensor result = tensor;
  result.part = tensor.part.value_or(0) + unit_bytes(tensor, units) * part.first;
  if (tensor.rank() > 0 && tensor.shape[0] == units) {
    result.shape[0] = part.count;
  } else {
    result.shape = {static_cast<uint32_t>(tensor.elements() / units * part.count)};
  }
  return result;
}

}  // namespace sluice::kernels
