// What the tests of this folder share: random arrays, their way to the device and back, and comparison.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "kernels/common/runner.h"
#include "kernels/common/strides.h"
#include "kernels/data/data_ref.h"

namespace sluice::kernels::test {

inline bool has_f16() { return test_device().caps().f16; }

inline const char* text(Storage storage) {
  constexpr const char* kNames[] = {"f32", "f16", "i32", "u32", "bytes"};
  return kNames[static_cast<int>(storage)];
}

// Storages of whole elements that the device has.
inline std::vector<Storage> storages() {
  if (!has_f16()) return {Storage::kF32, Storage::kI32, Storage::kU32};
  return {Storage::kF32, Storage::kF16, Storage::kI32, Storage::kU32};
}

// Small multiples of 1/8, which float16 holds exactly, or small integers.
inline ref::Array random_array(std::mt19937& random, const ref::Shape& shape, Storage storage) {
  ref::Array array(shape);
  for (double& v : array.values) {
    const auto pick = static_cast<uint32_t>(random());
    const bool is_float = storage == Storage::kF32 || storage == Storage::kF16;
    if (is_float) {
      v = (static_cast<int>(pick % 257) - 128) / 8.0;
    } else {
      v = static_cast<int>(pick % 251) - (storage == Storage::kI32 ? 125 : 0);
    }
  }
  return array;
}

inline ref::Array random_indices(std::mt19937& random, const ref::Shape& shape, int32_t least, int32_t most) {
  ref::Array array(shape);
  for (double& v : array.values) v = std::uniform_int_distribution<int32_t>(least, most)(random);
  return array;
}

inline Tensor upload(Runner& runner, const ref::Array& array, Storage storage) {
  if (storage == Storage::kBytes) {
    return runner.upload_bytes(array.shape, std::vector<uint8_t>(array.values.begin(), array.values.end()));
  }
  if (storage == Storage::kF32 || storage == Storage::kF16) {
    return runner.upload(storage, array.shape, std::vector<float>(array.values.begin(), array.values.end()));
  }
  Tensor tensor = runner.upload(array.shape, std::vector<int32_t>(array.values.begin(), array.values.end()));
  tensor.storage = storage;
  return tensor;
}

inline std::vector<double> download(Runner& runner, const Tensor& tensor) {
  if (tensor.storage == Storage::kBytes) {
    std::vector<double> bytes;
    const Tensor words{tensor.slot, Storage::kU32, {static_cast<uint32_t>((tensor.elements() + 3) / 4)}};
    for (const int32_t word : runner.read_ints(words)) {
      for (int k = 0; k < 4; ++k) bytes.push_back((static_cast<uint32_t>(word) >> (8 * k)) & 255);
    }
    bytes.resize(tensor.elements());
    return bytes;
  }
  if (tensor.storage == Storage::kF32 || tensor.storage == Storage::kF16) {
    const auto values = runner.read_floats(tensor);
    return {values.begin(), values.end()};
  }
  const auto values = runner.read_ints(tensor);
  return {values.begin(), values.end()};
}

// NaN equals NaN; tolerance is relative above 1 and absolute below.
inline void expect_equal(Runner& runner, const Tensor& actual, const ref::Array& expected, const std::string& what,
                         double tolerance = 0) {
  const auto values = download(runner, actual);
  ASSERT_EQ(values.size(), expected.values.size()) << what;
  for (size_t i = 0; i < values.size(); ++i) {
    const double e = expected.values[i];
    const bool same = std::isnan(e)
                          ? std::isnan(values[i])
                          : values[i] == e || std::fabs(values[i] - e) <= tolerance * std::max(1.0, std::fabs(e));
    ASSERT_TRUE(same) << what << " shape " << shape_text(expected.shape) << " element " << i << ": " << values[i]
                      << ", expected " << e;
  }
}

// Runs a planner that has to throw, and looks for the message.
template <class Plan>
void expect_refusal(const Plan& plan, const std::string& message) {
  const gpu::Caps caps;
  Recorder recorder(caps);
  try {
    plan(recorder);
    ADD_FAILURE() << "not refused: " << message;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

}  // namespace sluice::kernels::test
