// Ranges of large tensors: whole where they fit, else few, equal, aligned and under the limit.
#include "kernels/common/parts.h"

#include <gtest/gtest.h>

namespace sluice::kernels {
namespace {

gpu::Caps caps_of(uint64_t binding, uint32_t alignment) {
  gpu::Caps caps;
  caps.max_binding = binding;
  caps.storage_alignment = alignment;
  return caps;
}

TEST(Parts, WhatFitsIsWhole) {
  const Tensor b{1, Storage::kBytes, {100, 40}}, none;
  const auto parts = parts_of(100, {&b, &none}, caps_of(4000, 256));
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].count, 100u);
  EXPECT_FALSE(part_of(b, 100, parts[0]).part);
}

TEST(Parts, CoverAllUnitsAlignedAndUnderTheLimit) {
  for (const uint32_t units : {33u, 1000u, 1001u, 4099u}) {
    for (const uint32_t alignment : {4u, 32u, 256u}) {
      const Tensor b{1, Storage::kBytes, {units, 3, 8}}, scales{2, Storage::kF16, {units * 3}},
          bias{3, Storage::kF32, {units}};
      const gpu::Caps caps = caps_of(8192, alignment);
      uint32_t next = 0;
      for (const Part& part : parts_of(units, {&b, &scales, &bias}, caps)) {
        EXPECT_EQ(part.first, next);
        ASSERT_GT(part.count, 0u);
        next += part.count;
        for (const Tensor& whole : {b, scales, bias}) {
          const Operand operand = in(part_of(whole, units, part));
          if (part.count == units) continue;
          EXPECT_EQ(operand.offset % alignment, 0u);
          EXPECT_LE(operand.size, caps.max_binding);
          EXPECT_EQ(operand.offset, storage_bytes(whole.storage, whole.elements() / units * part.first));
        }
      }
      EXPECT_EQ(next, units);
    }
  }
}

TEST(Parts, AreAsFewAndAsEqualAsCanBe) {
  const Tensor b{1, Storage::kBytes, {32, 100}};
  const auto parts = parts_of(32, {&b}, caps_of(1700, 4));  // 17 units at most
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].count, 16u);
  const auto stepped = parts_of(32, {&b}, caps_of(1700, 4), 8);
  ASSERT_EQ(stepped.size(), 2u);
  EXPECT_EQ(stepped[1].first % 8, 0u);
}

// The limit of the buffer counts too; a unit that is too large by itself is left for the check of limits to name.
TEST(Parts, OtherLimits) {
  const Tensor b{1, Storage::kF32, {64, 64}};
  gpu::Caps caps = caps_of(1u << 20, 4);
  caps.max_buffer = 4096;
  EXPECT_EQ(parts_of(64, {&b}, caps).size(), 4u);
  caps.max_buffer = 255;
  EXPECT_EQ(parts_of(64, {&b}, caps).size(), 1u);
  EXPECT_EQ(parts_of(0, {}, caps).size(), 1u);
}

TEST(Parts, ShapesFollow) {
  const Tensor experts{1, Storage::kF16, {8, 6, 4}}, flat{2, Storage::kF32, {48}};
  EXPECT_EQ(part_of(experts, 8, {2, 4}).shape, (std::vector<uint32_t>{4, 6, 4}));
  EXPECT_EQ(part_of(experts, 8, {2, 4}).part, 96u);
  EXPECT_EQ(part_of(flat, 8, {2, 4}).shape, std::vector<uint32_t>{24});
  EXPECT_FALSE(part_of(Tensor{}, 8, {2, 4}));
}

}  // namespace
}  // namespace sluice::kernels
