#include "runtime/compile.h"

#include <algorithm>

#include "base/error.h"

namespace sluice::runtime {

namespace {

uint64_t bytes_of(const lower::SlotInfo& slot) {
  return kernels::storage_bytes(slot.tensor.storage, slot.tensor.elements());
}

// The most bytes that a dispatch binds.
uint64_t most_bound(const lower::SlotInfo& slot, const std::vector<kernels::Dispatch>& dispatches) {
  uint64_t most = 0;
  for (const kernels::Dispatch& dispatch : dispatches) {
    for (const kernels::Operand& operand : dispatch.operands) {
      if (operand.slot == slot.slot) most = std::max(most, operand.size != 0 ? operand.size : bytes_of(slot));
    }
  }
  return most;
}

}  // namespace

std::vector<std::string> check_limits(const std::vector<kernels::Dispatch>& dispatches,
                                      const std::vector<lower::SlotInfo>& slots, const gpu::Caps& caps) {
  std::vector<std::string> lines;
  for (const lower::SlotInfo& slot : slots) {
    if (bytes_of(slot) <= std::min(caps.max_binding, caps.max_buffer)) continue;
    if (most_bound(slot, dispatches) > caps.max_binding) {
      lines.push_back(fmt::format("tensor \"{}\" has {} bytes; the device binds at most {} at once", slot.name,
                                  bytes_of(slot), caps.max_binding));
    } else if (bytes_of(slot) > caps.max_buffer) {
      lines.push_back(fmt::format("tensor \"{}\" has {} bytes; the device's buffers hold at most {}", slot.name,
                                  bytes_of(slot), caps.max_buffer));
    }
  }
  return lines;
}

void throw_obstacles(const std::string& what, const std::vector<std::string>& obstacles) {
  if (obstacles.empty()) return;
  constexpr size_t kShown = 40;
  std::string message = fmt::format("{}: {} obstacle{}", what, obstacles.size(), obstacles.size() == 1 ? "" : "s");
  for (size_t i = 0; i < std::min(obstacles.size(), kShown); ++i) message += "\n  " + obstacles[i];
  if (obstacles.size() > kShown) message += fmt::format("\n  and {} more", obstacles.size() - kShown);
  throw Error("model", message);
}

}  // namespace sluice::runtime
