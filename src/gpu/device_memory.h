// How much memory a device has, which WebGPU does not say.
#pragma once

#include <cstdint>

#include "gpu/adapter.h"

namespace sluice::gpu {

// Bytes: what SLUICE_MEMORY says, else the host's memory for a software adapter, else the largest device-local heap
// that the library (Dawn) or the Vulkan loader tells of; 0 if nobody does.
uint64_t device_memory(const Library& library, WGPUAdapter adapter, const WGPUAdapterInfo& info,
                       const std::vector<WGPUFeatureName>& features);

}  // namespace sluice::gpu
