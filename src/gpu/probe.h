// Facts about a device that only a shader can tell.
#pragma once

#include <cstdint>
#include <utility>

namespace sluice::gpu {

class Device;
struct Core;

// Smallest and largest subgroup size, from a shader that looks and from what the vendor's drivers are known to choose.
std::pair<uint32_t, uint32_t> probe_subgroup_sizes(Device& device, Core& core, uint32_t vendor_id);

// Whether dot4I8Packed compiles and is right.
bool probe_packed_dot(Device& device, Core& core);

}  // namespace sluice::gpu
