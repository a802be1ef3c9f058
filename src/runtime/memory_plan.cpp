#include "runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace sluice::runtime {

namespace {

using SlotBytes = std::unordered_map<kernels::Slot, uint64_t>;

// The slots of `bytes` that a dispatch names, in order.
std::vector<kernels::Slot> slots_of(const kernels::Dispatch& dispatch, const SlotBytes& bytes) {
  std::vector<kernels::Slot> slots;
  for (const kernels::Operand& operand : dispatch.operands) {
    if (bytes.contains(operand.slot)) slots.push_back(operand.slot);
  }
  if (bytes.contains(dispatch.indirect.slot)) slots.push_back(dispatch.indirect.slot);
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
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

MemoryPlan plan_memory(const std::vector<kernels::Dispatch>& dispatches, const SlotBytes& bytes) {
  std::vector<std::vector<kernels::Slot>> named;  // by each dispatch
  std::unordered_map<kernels::Slot, size_t> last;
  for (size_t i = 0; i < dispatches.size(); ++i) {
    named.push_back(slots_of(dispatches[i], bytes));
    for (const kernels::Slot slot : named[i]) last[slot] = i;
  }
  MemoryPlan plan;
  std::vector<uint32_t> free;
  for (size_t i = 0; i < dispatches.size(); ++i) {
    for (const kernels::Slot slot : named[i]) {
      if (const auto [place, is_new] = plan.buffer_of.try_emplace(slot, 0); is_new)
        place->second = take_buffer(free, plan.sizes, bytes.at(slot));
    }
    for (const kernels::Slot slot : named[i]) {
      if (last[slot] == i) free.push_back(plan.buffer_of[slot]);
    }
  }
  return plan;
}

}  // namespace sluice::runtime
