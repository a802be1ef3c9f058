// What the tests of this folder share: values of any storage to the device and back as doubles, and comparison.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/common/runner.h"
#include "kernels/elementwise/elementwise.h"

namespace sluice::kernels::test {

inline bool has_f16() { return test_device().caps().f16; }

inline Tensor upload(Runner& runner, Storage storage, const std::vector<uint32_t>& shape,
                     const std::vector<double>& values) {
  if (element_type(storage) == ElementType::kFloat) {
    return runner.upload(storage, shape, std::vector<float>(values.begin(), values.end()));
  }
  std::vector<int32_t> bits(values.size());
  for (size_t i = 0; i < values.size(); ++i) bits[i] = static_cast<int32_t>(static_cast<int64_t>(values[i]));
  Tensor tensor = runner.upload(shape, bits);
  tensor.storage = storage;
  return tensor;
}

inline std::vector<double> download(Runner& runner, const Tensor& tensor) {
  if (element_type(tensor.storage) == ElementType::kFloat) {
    const auto values = runner.read_floats(tensor);
    return {values.begin(), values.end()};
  }
  const auto values = runner.read_ints(tensor);
  if (tensor.storage == Storage::kUnsigned) {
    std::vector<double> result;
    for (const int32_t v : values) result.push_back(static_cast<uint32_t>(v));
    return result;
  }
  return {values.begin(), values.end()};
}

inline void expect_close(double actual, double expected, double tolerance, const std::string& text) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(actual)) << text << " got " << actual;
  } else if (std::isinf(expected) || tolerance == 0) {
    EXPECT_EQ(actual, expected) << text;
  } else {
    EXPECT_NEAR(actual, expected, tolerance * std::max(1.0, std::fabs(expected))) << text;
  }
}

}  // namespace sluice::kernels::test
