#include "runtime/compile.h"

#include <algorithm>

#include "base/error.h"

namespace sluice::runtime {

std::vector<std::string> check_limits(const std::vector<lower::SlotInfo>& slots, const gpu::Caps& caps) {
  std::vector<std::string> lines;
  for (const lower::SlotInfo& slot : slots) {
    const uint64_t bytes = kernels::storage_bytes(slot.tensor.storage, slot.tensor.elements());
    if (bytes > caps.max_binding) {
      lines.push_back(fmt::format("tensor \"{}\" has {} bytes; the device binds at most {} at once", slot.name, bytes,
                                  caps.max_binding));
    } else if (bytes > caps.max_buffer) {
      lines.push_back(fmt::format("tensor \"{}\" has {} bytes; the device's buffers hold at most {}", slot.name, bytes,
                                  caps.max_buffer));
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
