#include "runtime/host.h"

#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/half.h"

namespace sluice::runtime {

using kernels::Storage;

namespace {

template <class From, class To>
To cast(From x) {
  return static_cast<To>(x);
}

template <class From, class To, class F>
std::vector<std::byte> convert_each(std::span<const std::byte> from, F convert) {
  const size_t count = from.size() / sizeof(From);
  std::vector<std::byte> to(count * sizeof(To));
  for (size_t i = 0; i < count; ++i) {
    From x;
    std::memcpy(&x, from.data() + i * sizeof(From), sizeof(From));
    const To y = convert(x);
    std::memcpy(to.data() + i * sizeof(To), &y, sizeof(To));
  }
  return to;
}

uint32_t narrow_unsigned(uint64_t x) {
  if (x > std::numeric_limits<uint32_t>::max())
    fail("tensor", "uint64 value {} does not fit in the 32 bits that the GPU computes with", x);
  return static_cast<uint32_t>(x);
}

int32_t narrow(int64_t x) {
  if (x < std::numeric_limits<int32_t>::min() || x > std::numeric_limits<int32_t>::max()) {
    fail("tensor", "int64 value {} does not fit in the 32 bits that the GPU computes with", x);
  }
  return static_cast<int32_t>(x);
}

}  // namespace

bool same_layout(DType dtype, Storage storage) {
  switch (dtype) {
    case DType::kFloat:
    case DType::kInt32:
    case DType::kUint32:
    case DType::kUint8:
      return true;
    case DType::kFloat16:
      return storage == Storage::kF16;
    default:
      return false;
  }
}

std::vector<std::byte> to_device_layout(std::span<const std::byte> bytes, DType dtype, Storage storage) {
  if (same_layout(dtype, storage)) return {bytes.begin(), bytes.end()};
  switch (dtype) {
    case DType::kInt64:
      return convert_each<int64_t, int32_t>(bytes, narrow);
    case DType::kUint64:
      return convert_each<uint64_t, uint32_t>(bytes, narrow_unsigned);
    case DType::kInt16:
      return convert_each<int16_t, int32_t>(bytes, cast<int16_t, int32_t>);
    case DType::kInt8:
      return convert_each<int8_t, int32_t>(bytes, cast<int8_t, int32_t>);
    case DType::kUint16:
      return convert_each<uint16_t, int32_t>(bytes, cast<uint16_t, int32_t>);
    case DType::kBool:
      return convert_each<uint8_t, uint32_t>(bytes, [](uint8_t x) { return static_cast<uint32_t>(x != 0); });
    case DType::kFloat16:
      return convert_each<uint16_t, float>(bytes, half_to_float);
    default:
      fail("tensor", "element type {} is not supported on the GPU", name(dtype));
  }
}

std::vector<std::byte> from_device_layout(std::span<const std::byte> bytes, DType dtype,
                                          const kernels::Tensor& tensor) {
  const uint64_t device_bits = tensor.storage == Storage::kBytes ? 8 : tensor.storage == Storage::kF16 ? 16 : 32;
  bytes = bytes.first(tensor.elements() * device_bits / 8);
  if (same_layout(dtype, tensor.storage)) return {bytes.begin(), bytes.end()};
  switch (dtype) {
    case DType::kInt64:
      return convert_each<int32_t, int64_t>(bytes, cast<int32_t, int64_t>);
    case DType::kUint64:
      return convert_each<uint32_t, uint64_t>(bytes, cast<uint32_t, uint64_t>);
    case DType::kInt16:
      return convert_each<int32_t, int16_t>(bytes, cast<int32_t, int16_t>);
    case DType::kInt8:
      return convert_each<int32_t, int8_t>(bytes, cast<int32_t, int8_t>);
    case DType::kUint16:
      return convert_each<int32_t, uint16_t>(bytes, cast<int32_t, uint16_t>);
    case DType::kBool:
      return convert_each<uint32_t, uint8_t>(bytes, [](uint32_t x) { return static_cast<uint8_t>(x != 0); });
    case DType::kFloat16:
      return convert_each<float, uint16_t>(bytes, float_to_half);
    default:
      fail("tensor", "element type {} is not supported on the GPU", name(dtype));
  }
}

std::vector<float> read_floats(gpu::Device& device, const gpu::Buffer& buffer, const kernels::Tensor& tensor) {
  const std::vector<std::byte> bytes =
      device.read(buffer, 0, kernels::storage_bytes(tensor.storage, tensor.elements()));
  std::vector<float> floats(tensor.elements());
  if (tensor.storage == Storage::kF32) {
    std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
    return floats;
  }
  if (tensor.storage != Storage::kF16)
    fail("tensor", "a tensor of {} elements is not of floats", kernels::wgsl_type(tensor.storage));
  for (size_t i = 0; i < floats.size(); ++i) {
    uint16_t half = 0;
    std::memcpy(&half, bytes.data() + i * sizeof(half), sizeof(half));
    floats[i] = half_to_float(half);
  }
  return floats;
}

}  // namespace sluice::runtime
