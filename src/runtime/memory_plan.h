// Places the intermediate tensors of a program in as few bytes as their lifetimes allow: a pure function of the
// dispatch list.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "kernels/common/plan.h"

namespace sluice::runtime {

// Buffers are whole: WebGPU forbids one buffer to be bound for reading and for writing in one dispatch, so tensors that
// live at the same time never share a buffer, and tensors that do not may.
struct MemoryPlan {
  std::unordered_map<kernels::Slot, uint32_t> buffer_of;  // slot -> index in sizes
  std::vector<uint64_t> sizes;                            // bytes of each buffer
  uint64_t total() const;
};

// bytes: the slots to place and their sizes. Slots that no dispatch touches get no buffer. A slot lives from the first
// to the last dispatch that names it; freed buffers are reused best fit first, and grown only if no free one is large
// enough.
MemoryPlan plan_memory(const std::vector<kernels::Dispatch>& dispatches,
                       const std::unordered_map<kernels::Slot, uint64_t>& bytes);

}  // namespace sluice::runtime
