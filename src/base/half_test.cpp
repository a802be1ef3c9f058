#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sluice {
namespace {

TEST(Half, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float f = half_to_float(static_cast<uint16_t>(h));
    if (std::isnan(f)) {
      EXPECT_EQ(float_to_half(f) & 0x7fffu, 0x7e00u) << h;
    } else {
      EXPECT_EQ(float_to_half(f), h);
    }
  }
}

TEST(Half, KnownValues) {
  EXPECT_EQ(half_to_float(0x3c00), 1.0f);
  EXPECT_EQ(half_to_float(0xc000), -2.0f);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(half_to_float(0x0400), 0x1p-14f);
  EXPECT_EQ(half_to_float(0x7c00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(float_to_half(-0.0f), 0x8000);
}

TEST(Half, RoundsToTheNearestOfTwoNeighboursAndTiesToEven) {
  for (uint32_t h = 0; h < 0x7bff; ++h) {
    const float low = half_to_float(static_cast<uint16_t>(h)), high = half_to_float(static_cast<uint16_t>(h + 1));
    const float middle = (low + high) / 2;  // exact in float
    EXPECT_EQ(float_to_half(middle), h + (h & 1u)) << h;
    EXPECT_EQ(float_to_half(std::nextafter(middle, low)), h);
    EXPECT_EQ(float_to_half(std::nextafter(middle, high)), h + 1);
    EXPECT_EQ(float_to_half(-middle), 0x8000u + h + (h & 1u));
  }
}

TEST(Half, OverflowBecomesInfinityAndTinyBecomesZero) {
  EXPECT_EQ(float_to_half(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(float_to_half(0x1p-25f), 0);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0);
}

}  // namespace
}  // namespace sluice
