// Instances and adapters: what a library offers before a device is opened.
#pragma once

#include <string>
#include <vector>

#include "gpu/device.h"
#include "gpu/handle.h"
#include "gpu/library.h"

namespace sluice::gpu {

struct Adapter {
  Handle<WGPUAdapter> handle;
  AdapterInfo info;
  uint32_t vendor_id = 0;
};

// Dawn's switches, given alike to the instance, the adapter request and the device; chained only for Dawn. The struct
// and its type number are copied by hand because webgpu.h of another library does not have them.
struct DawnToggles {
  explicit DawnToggles(ShaderChecks checks = ShaderChecks::kLibrary);
  WGPUChainedStruct* chain() { return &descriptor_.chain; }

 private:
  struct Descriptor {
    WGPUChainedStruct chain;
    size_t enabled_count;
    const char* const* enabled;
    size_t disabled_count;
    const char* const* disabled;
  };
  std::vector<const char*> enabled_, disabled_;
  Descriptor descriptor_{};
};

class BlobCache;

// Where Dawn keeps compiled shaders between runs: chained to its device's descriptor.
struct DawnCache {
  explicit DawnCache(BlobCache& cache, WGPUChainedStruct* next);
  WGPUChainedStruct* chain() { return &descriptor_.chain; }

 private:
  struct Descriptor {
    WGPUChainedStruct chain;
    WGPUStringView isolation_key;
    size_t (*load)(const void* key, size_t key_size, void* value, size_t value_size, void* user);
    void (*store)(const void* key, size_t key_size, const void* value, size_t value_size, void* user);
    void* user;
  };
  Descriptor descriptor_{};
};

Handle<WGPUInstance> create_instance(const Library& library);

// All adapters, best first, each with its index.
std::vector<Adapter> find_adapters(const Library& library, WGPUInstance instance);

// The adapter that `choice` names by index or part of its name; empty: SLUICE_DEVICE, then the first. Throws, listing
// all.
Adapter pick_adapter(std::vector<Adapter> adapters, const std::string& choice);

constexpr auto kDawnSubgroupMatrixFeature = static_cast<WGPUFeatureName>(0x00050034);

// What WGPUFeatureName to ask for, given what the adapter offers. Subgroups have a number of their own in wgpu-native.
WGPUFeatureName subgroup_feature(const Library& library);

Caps caps_of(const std::vector<WGPUFeatureName>& features, const WGPULimits& limits, const Library& library);
std::vector<WGPUFeatureName> features_of(const Library& library, WGPUAdapter adapter);
std::string feature_name(WGPUFeatureName feature);

}  // namespace sluice::gpu
