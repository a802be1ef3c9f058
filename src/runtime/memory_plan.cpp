#include "runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace sluice::runtime {

namespace {

struct Lifetime {
  size_t first = 0, last = 0;
};

std::map<kernels::Slot, Lifetime> lifetimes(const std::vector<kernels::Dispatch>& dispatches,
                                            const std::map<kernels::Slot, uint64_t>& bytes) {
  std::map<kernels::Slot, Lifetime> result;
  for (size_t i = 0; i < dispatches.size(); ++i) {
    const auto use = [&](kernels::Slot slot) {
      if (bytes.contains(slot)) result.try_emplace(slot, Lifetime{i, i}).first->second.last = i;
    };
    for (const kernels::Operand& operand : dispatches[i].operands) use(operand.slot);
    if (dispatches[i].indirect.slot != kernels::kNoSlot) use(dispatches[i].indirect.slot);
  }
  return result;
}

// The smallest free buffer that holds `need`, else the largest free one (to be grown), else a new one.
uint32_t take_buffer(std::vector<uint32_t>& free, std::vector<uint64_t>& sizes, uint64_t need) {
  auto best = free.end();
  for (auto it = free.begin(); it != free.end(); ++it) {
    if (best == free.end()) {
      best = it;
      continue;
    }
    const uint64_t size = sizes[*it], chosen = sizes[*best];
    const bool better = chosen >= need ? size >= need && size < chosen : size > chosen;
    if (better) best = it;
  }
  if (best == free.end()) {
    sizes.push_back(need);
    return static_cast<uint32_t>(sizes.size() - 1);
  }
  const uint32_t index = *best;
  free.erase(best);
  sizes[index] = std::max(sizes[index], need);
  return index;
}

}  // namespace

uint64_t MemoryPlan::total() const { return std::accumulate(sizes.begin(), sizes.end(), uint64_t{0}); }

MemoryPlan plan_memory(const std::vector<kernels::Dispatch>& dispatches,
                       const std::map<kernels::Slot, uint64_t>& bytes) {
  const auto lives = lifetimes(dispatches, bytes);
  std::vector<std::vector<kernels::Slot>> starts(dispatches.size()), ends(dispatches.size());
  for (const auto& [slot, life] : lives) {
    starts[life.first].push_back(slot);
    ends[life.last].push_back(slot);
  }
  MemoryPlan plan;
  std::vector<uint32_t> free;
  for (size_t i = 0; i < dispatches.size(); ++i) {
    for (const kernels::Slot slot : starts[i]) plan.buffer_of[slot] = take_buffer(free, plan.sizes, bytes.at(slot));
    for (const kernels::Slot slot : ends[i]) free.push_back(plan.buffer_of[slot]);
  }
  return plan;
}

}  // namespace sluice::runtime
