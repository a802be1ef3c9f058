#include "graph/content.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "graph/testing.h"

namespace sluice::graph {
namespace {

double stored(double value, DType dtype) {
  Content content;
  content.floats = {value};
  return decode(*encode(content, dtype))->floats.at(0);
}

TEST(ContentTest, FloatsAreRoundedToNearestEven) {
  EXPECT_EQ(stored(1.0 / 3, DType::kDouble), 1.0 / 3);
  EXPECT_EQ(stored(1.0 / 3, DType::kFloat), 1.0f / 3);
  EXPECT_EQ(stored(1 + 0x1p-11, DType::kFloat16), 1);
  EXPECT_EQ(stored(1 + 3 * 0x1p-11, DType::kFloat16), 1 + 0x1p-9);
  EXPECT_EQ(stored(1 + 0x1p-8, DType::kBFloat16), 1);
  EXPECT_EQ(stored(1 + 3 * 0x1p-8, DType::kBFloat16), 1 + 0x1p-6);
  EXPECT_EQ(stored(1 + 0x1p-8 + 0x1p-12, DType::kBFloat16), 1 + 0x1p-7);
  EXPECT_EQ(stored(1e39, DType::kBFloat16), std::numeric_limits<double>::infinity());
  for (const DType dtype : {DType::kFloat, DType::kFloat16, DType::kBFloat16}) {
    EXPECT_TRUE(std::isnan(stored(std::nan(""), dtype))) << name(dtype);
  }
}

TEST(ContentTest, IntegersWrapToTheirWidth) {
  EXPECT_EQ(wrap_to(300, DType::kUint8), 44);
  EXPECT_EQ(wrap_to(200, DType::kInt8), -56);
  EXPECT_EQ(wrap_to(-1, DType::kUint16), 65535);
  EXPECT_EQ(wrap_to(-1, DType::kUint32), 4294967295);
  EXPECT_EQ(wrap_to(int64_t{1} << 31, DType::kInt32), -2147483648);
  EXPECT_EQ(wrap_to(2, DType::kBool), 1);
}

TEST(ContentTest, WhatIsNotDecoded) {
  EXPECT_FALSE(decode(*make_constant(DType::kUint64, {1}, {1})));
  EXPECT_FALSE(decode(*make_constant(DType::kInt64, {1025}, std::vector<int64_t>(1025))));
  Constant unmapped = *make_constant(DType::kInt64, {2}, {1, 2});
  unmapped.bytes = {};
  EXPECT_FALSE(decode(unmapped));
  Content symbolic;
  symbolic.ints = {{0, 1}};
  EXPECT_EQ(encode(symbolic, DType::kInt64), nullptr);
}

}  // namespace
}  // namespace sluice::graph
