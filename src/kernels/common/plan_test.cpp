#include "kernels/common/plan.h"

#include <gtest/gtest.h>

namespace sluice::kernels {
namespace {

uint64_t product(const std::array<uint32_t, 3>& groups) { return uint64_t{groups[0]} * groups[1] * groups[2]; }

TEST(FoldGroups, CoversTheRangeWithinTheLimits) {
  gpu::Caps caps;
  for (const uint32_t limit : {7u, 256u, 65535u}) {
    caps.max_workgroups = limit;
    for (const uint64_t groups : {uint64_t{1}, uint64_t{6}, uint64_t{7}, uint64_t{8}, uint64_t{49}, uint64_t{50},
                                  uint64_t{343}, uint64_t{65535}, uint64_t{65536}, uint64_t{16777216}}) {
      if (groups > uint64_t{limit} * limit * limit) {
        EXPECT_THROW(fold_groups(groups, caps), Error) << groups << " in " << limit;
        continue;
      }
      const auto folded = fold_groups(groups, caps);
      for (const uint32_t count : folded) EXPECT_LE(count, limit) << groups;
      EXPECT_GE(product(folded), groups) << groups << " in " << limit;
      EXPECT_LT(product(folded), groups + uint64_t{folded[0]} * folded[1]) << groups << " in " << limit;
    }
  }
}

TEST(FoldGroups, SmallRangesStayFlatAndEmptyOnesEmpty) {
  const gpu::Caps caps;
  EXPECT_EQ(fold_groups(65535, caps), (std::array<uint32_t, 3>{65535, 1, 1}));
  EXPECT_EQ(product(fold_groups(0, caps)), 0u);
}

TEST(Recorder, ScratchSlotsFollowOneAnother) {
  const gpu::Caps caps;
  Recorder recorder(caps, 100);
  const Tensor a = recorder.scratch(Storage::kF32, {2, 3}), b = recorder.scratch(Storage::kF16, {});
  EXPECT_EQ(a.slot, 100u);
  EXPECT_EQ(b.slot, 101u);
  EXPECT_EQ(a.elements(), 6u);
  EXPECT_EQ(b.elements(), 1u);
  ASSERT_EQ(recorder.scratch_tensors().size(), 2u);
  EXPECT_EQ(recorder.scratch_tensors()[1].storage, Storage::kF16);
}

TEST(Tensor, CountsRowsAndBytes) {
  const Tensor t{1, Storage::kF16, {2, 5, 3}};
  EXPECT_EQ(t.rows(), 10u);
  EXPECT_EQ(t.last(), 3u);
  EXPECT_EQ((Tensor{1, Storage::kF16, {4, 0}}.rows()), 0u);
  EXPECT_EQ(storage_bytes(Storage::kF16, 3), 8u);
  EXPECT_EQ(storage_bytes(Storage::kBytes, 5), 8u);
  EXPECT_EQ(storage_bytes(Storage::kU32, 5), 20u);
}

TEST(Storage, FollowsTheTypeAndTheDevice) {
  gpu::Caps caps;
  EXPECT_EQ(storage_of(DType::kFloat16, caps), Storage::kF32);
  caps.f16 = true;
  EXPECT_EQ(storage_of(DType::kFloat16, caps), Storage::kF16);
  EXPECT_EQ(storage_of(DType::kInt64, caps), Storage::kI32);
  EXPECT_EQ(storage_of(DType::kUint8, caps), Storage::kBytes);
  for (const DType type : {DType::kInt32, DType::kInt16, DType::kInt8, DType::kUint16})
    EXPECT_EQ(storage_of(type, caps), Storage::kI32);
  for (const DType type : {DType::kUint32, DType::kUint64}) EXPECT_EQ(storage_of(type, caps), Storage::kUnsigned);
  EXPECT_THROW(storage_of(DType::kDouble, caps), Error);
}

}  // namespace
}  // namespace sluice::kernels
