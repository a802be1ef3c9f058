#include "runtime/memory_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sluice::runtime {
namespace {

using kernels::Dispatch;
using kernels::Slot;

Dispatch step(const std::vector<Slot>& reads, const std::vector<Slot>& writes) {
  Dispatch dispatch;
  for (const Slot slot : reads) dispatch.operands.push_back({slot, gpu::Access::kRead});
  for (const Slot slot : writes) dispatch.operands.push_back({slot, gpu::Access::kReadWrite});
  return dispatch;
}

TEST(MemoryPlan, ChainUsesTwoBuffers) {
  const std::vector<Dispatch> chain = {step({}, {1}), step({1}, {2}), step({2}, {3}), step({3}, {4})};
  const MemoryPlan plan = plan_memory(chain, {{1, 100}, {2, 100}, {3, 100}, {4, 100}});
  EXPECT_EQ(plan.sizes.size(), 2u);
  EXPECT_EQ(plan.total(), 200u);
}

TEST(MemoryPlan, BestFitLeavesTheLargeBufferAlone) {
  const std::vector<Dispatch> steps = {step({}, {1, 2}), step({1, 2}, {3}), step({3}, {4})};
  const MemoryPlan plan = plan_memory(steps, {{1, 1000}, {2, 10}, {3, 5}, {4, 8}});
  EXPECT_EQ(plan.buffer_of.at(4), plan.buffer_of.at(2));
}

TEST(MemoryPlan, UntouchedAndForeignSlotsGetNothing) {
  const MemoryPlan plan = plan_memory({step({7}, {1})}, {{1, 4}, {2, 4}});
  EXPECT_EQ(plan.buffer_of.size(), 1u);
}

// Whatever the graph: two slots in one buffer never live at the same time, and each fits.
TEST(MemoryPlan, RandomProgramsNeverOverlap) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Dispatch> steps;
    std::unordered_map<Slot, uint64_t> bytes;
    for (Slot slot = 1; slot <= 30; ++slot) {
      std::vector<Slot> reads;
      for (int i = 0; i < 2 && slot > 1; ++i) reads.push_back(1 + random() % (slot - 1));
      steps.push_back(step(reads, {slot}));
      bytes[slot] = 4 * (1 + random() % 64);
    }
    const MemoryPlan plan = plan_memory(steps, bytes);
    std::map<uint32_t, Slot> holder;
    std::map<Slot, size_t> last;
    for (size_t i = 0; i < steps.size(); ++i) {
      for (const auto& operand : steps[i].operands) last[operand.slot] = i;
    }
    for (size_t i = 0; i < steps.size(); ++i) {
      const Slot written = steps[i].operands.back().slot;
      const uint32_t buffer = plan.buffer_of.at(written);
      EXPECT_GE(plan.sizes[buffer], bytes[written]);
      if (holder.contains(buffer)) {
        EXPECT_LT(last[holder[buffer]], i) << "round " << round << ", step " << i;
      }
      holder[buffer] = written;
    }
  }
}

}  // namespace
}  // namespace sluice::runtime
