// How fast a device reads its memory: the ceiling of everything that is bound by it.
#pragma once

#include "gpu/device.h"

namespace sluice::runtime {

// Bytes a second that a plain loop reads from a buffer that no cache holds (1 GiB, or what the device binds at most;
// less on a software device). The best of a few numbers of workgroups, each the median of repeats, by the GPU's clock
// where it has one. Takes about a second. Throws Error if the buffer cannot be had.
double read_bandwidth(gpu::Device& device);

}  // namespace sluice::runtime
