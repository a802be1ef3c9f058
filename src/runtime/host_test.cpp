#include "runtime/host.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"

namespace sluice::runtime {
namespace {

using kernels::Storage;

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// The edges of a type survive the way there and back, and lie on the device as `Device` words.
template <class T, class Device>
void check_round_trip(DType dtype) {
  const gpu::Caps caps;
  using Limits = std::numeric_limits<T>;
  using DeviceLimits = std::numeric_limits<Device>;
  const bool wide = sizeof(T) > sizeof(Device);
  const std::vector<T> values = {0, 1, static_cast<T>(wide ? DeviceLimits::min() : Limits::min()),
                                 static_cast<T>(wide ? DeviceLimits::max() : Limits::max())};
  const Storage storage = kernels::storage_of(dtype, caps);
  const auto device = to_device_layout(bytes_of(values), dtype, storage);
  ASSERT_EQ(device.size(), values.size() * sizeof(Device)) << name(dtype);
  std::vector<Device> words(values.size());
  std::memcpy(words.data(), device.data(), device.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(words[i], static_cast<Device>(values[i])) << name(dtype);
  EXPECT_EQ(from_device_layout(device, dtype, {1, storage, {4}}), bytes_of(values)) << name(dtype);
}

TEST(HostLayout, IntegersOfEveryWidth) {
  check_round_trip<int64_t, int32_t>(DType::kInt64);
  check_round_trip<int32_t, int32_t>(DType::kInt32);
  check_round_trip<int16_t, int32_t>(DType::kInt16);
  check_round_trip<int8_t, int32_t>(DType::kInt8);
  check_round_trip<uint64_t, uint32_t>(DType::kUint64);
  check_round_trip<uint32_t, uint32_t>(DType::kUint32);
  check_round_trip<uint16_t, int32_t>(DType::kUint16);
  check_round_trip<uint8_t, uint8_t>(DType::kUint8);
}

void expect_refused(const std::vector<std::byte>& bytes, DType dtype, Storage storage, const std::string& part) {
  try {
    to_device_layout(bytes, dtype, storage);
    ADD_FAILURE() << "accepted: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(HostLayout, ValuesBeyond32BitsAreRefused) {
  expect_refused(bytes_of<int64_t>({1, 2147483648}), DType::kInt64, Storage::kI32, "int64 value 2147483648");
  expect_refused(bytes_of<int64_t>({-2147483649}), DType::kInt64, Storage::kI32, "int64 value -2147483649");
  expect_refused(bytes_of<uint64_t>({4294967296}), DType::kUint64, Storage::kUnsigned, "uint64 value 4294967296");
  expect_refused(bytes_of<double>({1}), DType::kDouble, Storage::kF32, "double");
}

}  // namespace
}  // namespace sluice::runtime
