// From an inferred graph to a program, or to every reason why not.
#pragma once

#include <string>
#include <vector>

#include "gpu/device.h"
#include "lower/lowering.h"

namespace sluice::runtime {

// One line for each tensor that the device cannot hold in a buffer, or that a dispatch binds more of than the device
// binds at once, with size and limit.
std::vector<std::string> check_limits(const std::vector<kernels::Dispatch>& dispatches,
                                      const std::vector<lower::SlotInfo>& slots, const gpu::Caps& caps);

// Throws one Error that lists all obstacles; does nothing if there are none.
void throw_obstacles(const std::string& what, const std::vector<std::string>& obstacles);

}  // namespace sluice::runtime
