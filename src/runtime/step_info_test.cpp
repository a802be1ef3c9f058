#include "runtime/step_info.h"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

using kernels::Storage;
using lower::SlotKind;

lower::SlotInfo slot(kernels::Slot id, SlotKind kind, std::vector<uint32_t> shape, const char* name) {
  lower::SlotInfo info;
  info.slot = id;
  info.kind = kind;
  info.tensor = {id, Storage::kF16, std::move(shape)};
  info.name = name;
  return info;
}

TEST(StepInfo, NamesTensorsAndWhatTheyBind) {
  const std::vector<lower::SlotInfo> slots = {slot(1, SlotKind::kIntermediate, {2, 8}, "x"),
                                              slot(2, SlotKind::kCache, {1, 1, 4, 8}, "past"),
                                              slot(3, SlotKind::kConstant, {100, 64}, "weights")};
  kernels::Dispatch dispatch;
  dispatch.name = "kernel/variant";
  dispatch.operands = {{1, gpu::Access::kRead},
                       {3, gpu::Access::kRead, 256, 512},
                       {1, gpu::Access::kRead},  // stands in for an absent bias
                       {2, gpu::Access::kReadWrite, 0, 0, 16, true},
                       {9, gpu::Access::kReadWrite}};
  const std::vector<std::string> nodes = {"Op /layers.3/a b", "begin step"};
  const std::vector<std::vector<std::string>> sources = {{"Op /layers.3/a b", "Add c"}, {}};
  const auto steps = describe_steps({{dispatch, kernels::Dispatch()}, nodes, sources, slots});
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].op, "Op");
  EXPECT_EQ(steps[0].node, "/layers.3/a b");
  EXPECT_EQ(steps[0].kernel, "kernel/variant");
  EXPECT_EQ(steps[0].sources, sources[0]);
  ASSERT_EQ(steps[0].tensors.size(), 4u);
  EXPECT_EQ(steps[0].tensors[0].name, "x");
  EXPECT_EQ(steps[0].tensors[0].bytes, 32u);
  EXPECT_EQ(steps[0].tensors[1].bytes, 512u) << "a part of the slot";
  EXPECT_TRUE(steps[0].tensors[0].read && !steps[0].tensors[0].written);
  EXPECT_EQ(steps[0].tensors[0].touched, 32u) << "all of it";
  EXPECT_TRUE(steps[0].tensors[2].cache && steps[0].tensors[2].written && steps[0].tensors[2].read);
  EXPECT_EQ(steps[0].tensors[2].touched, 16u);
  EXPECT_TRUE(steps[0].tensors[3].written && !steps[0].tensors[3].read);
  EXPECT_EQ(steps[0].tensors[3].name, "") << "an unknown slot";
  EXPECT_EQ(steps[1].op, "begin step");
  EXPECT_EQ(steps[1].sources, std::vector<std::string>{"begin step"});
}

}  // namespace
}  // namespace sluice::runtime
