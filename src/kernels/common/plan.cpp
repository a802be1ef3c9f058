#include "kernels/common/plan.h"

#include <algorithm>

namespace sluice::kernels {

Storage storage_of(DType type, const gpu::Caps& caps) {
  switch (type) {
    case DType::kFloat:
      return Storage::kF32;
    case DType::kFloat16:
      return caps.f16 ? Storage::kF16 : Storage::kF32;
    case DType::kInt64:
    case DType::kInt32:
    case DType::kInt16:
    case DType::kInt8:
    case DType::kUint16:
      return Storage::kI32;
    case DType::kUint64:
    case DType::kUint32:
      return Storage::kUnsigned;
    case DType::kBool:
      return Storage::kU32;
    case DType::kUint8:
      return Storage::kBytes;
    default:
      fail("tensor", "element type {} is not supported on the GPU", name(type));
  }
}

const char* wgsl_type(Storage storage) {
  switch (storage) {
    case Storage::kF32:
      return "f32";
    case Storage::kF16:
      return "f16";
    case Storage::kI32:
      return "i32";
    case Storage::kU32:
    case Storage::kBytes:
    case Storage::kUnsigned:
      return "u32";
  }
  return "";
}

uint64_t storage_bytes(Storage storage, uint64_t elements) {
  const uint64_t size = storage == Storage::kBytes ? 1 : storage == Storage::kF16 ? 2 : 4;
  return (elements * size + 3) / 4 * 4;
}

Operand operand(const Tensor& tensor, gpu::Access access) {
  if (!tensor.part) return {tensor.slot, access};
  return {tensor.slot, access, *tensor.part, storage_bytes(tensor.storage, tensor.elements())};
}

Operand touching(uint64_t bytes, Operand operand) {
  operand.touched = bytes;
  return operand;
}

Tensor Recorder::scratch(Storage storage, std::vector<uint32_t> shape) {
  Tensor tensor{next_++, storage, std::move(shape)};
  scratch_.push_back(tensor);
  return tensor;
}

std::array<uint32_t, 3> fold_groups(uint64_t groups, const gpu::Caps& caps) {
  const uint64_t limit = caps.max_workgroups;
  const uint64_t x = std::min(groups, limit);
  const uint64_t y = std::min(x == 0 ? 0 : ceil_div64(groups, x), limit);
  const uint64_t z = x == 0 ? 0 : ceil_div64(groups, x * y);
  if (z > limit)
    fail("dispatch", "needs {} workgroups, more than the device's limit of {} in each dimension", groups, limit);
  return {static_cast<uint32_t>(x), static_cast<uint32_t>(y), static_cast<uint32_t>(z)};
}

}  // namespace sluice::kernels
