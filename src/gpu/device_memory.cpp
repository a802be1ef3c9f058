#include "gpu/device_memory.h"

#include <algorithm>
#include <cstring>

#include "base/dynamic_library.h"
#include "base/environment.h"
#include "base/error.h"

namespace sluice::gpu {
namespace {

constexpr auto kDawnMemoryHeapsType = static_cast<WGPUSType>(0x00050013);
constexpr auto kDawnMemoryHeapsFeature = static_cast<WGPUFeatureName>(0x00050014);
constexpr uint64_t kDeviceLocal = 1;  // of Vulkan and of Dawn

uint64_t dawn_memory(const Library& library, WGPUAdapter adapter) {
  DawnMemoryHeaps heaps{{nullptr, kDawnMemoryHeapsType}, 0, nullptr};
  WGPUAdapterInfo info = WGPU_ADAPTER_INFO_INIT;
  info.nextInChain = &heaps.chain;
  if (library.wgpuAdapterGetInfo(adapter, &info) != WGPUStatus_Success) return 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < heaps.count; ++i) {
    if (heaps.heaps[i].properties & kDeviceLocal) bytes = std::max(bytes, heaps.heaps[i].size);
  }
  library.free_memory_heaps(heaps);
  info.nextInChain = nullptr;
  library.wgpuAdapterInfoFreeMembers(info);
  return bytes;
}

// The few declarations of Vulkan 1.0 that are needed to ask it; its headers are no dependency.
namespace vulkan {

struct InstanceCreateInfo {
  uint32_t type = 1;
  const void* next = nullptr;
  uint32_t flags = 0;
  const void* application = nullptr;
  uint32_t layer_count = 0;
  const char* const* layers = nullptr;
  uint32_t extension_count = 0;
  const char* const* extensions = nullptr;
};

struct DeviceProperties {
  uint32_t api_version, driver_version, vendor_id, device_id, type;
  char name[256];
  std::byte more[1024];  // identifiers, limits: less than this
};

struct MemoryProperties {
  struct Type {
    uint32_t flags, heap;
  };
  struct Heap {
    uint64_t size;
    uint32_t flags;
  };
  uint32_t type_count;
  Type types[32];
  uint32_t heap_count;
  Heap heaps[16];
};
static_assert(sizeof(MemoryProperties) == 520);

using Instance = struct InstanceObject*;
using PhysicalDevice = struct PhysicalDeviceObject*;
using Function = void (*)();

// An instance with the functions that are called on it.
class Loader {
 public:
  explicit Loader(const char* path) : file_(path) {
    get_ = reinterpret_cast<decltype(get_)>(file_.symbol("vkGetInstanceProcAddr"));
    const auto create =
        function<int32_t (*)(const InstanceCreateInfo*, const void*, Instance*)>(nullptr, "vkCreateInstance");
    const InstanceCreateInfo info;
    if (create && create(&info, nullptr, &instance_) != 0) instance_ = nullptr;
  }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader() {
    const auto destroy = function<void (*)(Instance, const void*)>(instance_, "vkDestroyInstance");
    if (instance_ && destroy) destroy(instance_, nullptr);
  }

  uint64_t memory_of(uint32_t vendor_id, uint32_t device_id) const {
    const auto list =
        function<int32_t (*)(Instance, uint32_t*, PhysicalDevice*)>(instance_, "vkEnumeratePhysicalDevices");
    const auto describe =
        function<void (*)(PhysicalDevice, DeviceProperties*)>(instance_, "vkGetPhysicalDeviceProperties");
    const auto measure =
        function<void (*)(PhysicalDevice, MemoryProperties*)>(instance_, "vkGetPhysicalDeviceMemoryProperties");
    if (!instance_ || !list || !describe || !measure) return 0;
    uint32_t count = 0;
    if (list(instance_, &count, nullptr) != 0) return 0;
    std::vector<PhysicalDevice> devices(count);
    if (list(instance_, &count, devices.data()) < 0) return 0;
    devices.resize(count);
    for (const PhysicalDevice device : devices) {
      DeviceProperties properties;
      describe(device, &properties);
      if (properties.vendor_id != vendor_id || properties.device_id != device_id) continue;
      MemoryProperties memory;
      measure(device, &memory);
      uint64_t bytes = 0;
      for (uint32_t i = 0; i < memory.heap_count; ++i) {
        if (memory.heaps[i].flags & kDeviceLocal) bytes = std::max(bytes, memory.heaps[i].size);
      }
      return bytes;
    }
    return 0;
  }

 private:
  template <class Pointer>
  Pointer function(Instance instance, const char* name) const {
    return get_ ? reinterpret_cast<Pointer>(get_(instance, name)) : nullptr;
  }

  DynamicLibrary file_;
  Function (*get_)(Instance, const char*) = nullptr;
  Instance instance_ = nullptr;
};

#if defined(_WIN32)
constexpr const char* kLibrary = "vulkan-1.dll";
#else
constexpr const char* kLibrary = "libvulkan.so.1";
#endif

}  // namespace vulkan

uint64_t vulkan_memory(const WGPUAdapterInfo& info) {
  try {
    return vulkan::Loader(vulkan::kLibrary).memory_of(info.vendorID, info.deviceID);
  } catch (const Error&) {
    return 0;  // no loader: then the library has one of its own
  }
}

}  // namespace

uint64_t device_memory(const Library& library, WGPUAdapter adapter, const WGPUAdapterInfo& info,
                       const std::vector<WGPUFeatureName>& features) {
  if (const auto chosen = bytes_from_environment("SLUICE_MEMORY")) return *chosen;
  if (info.adapterType == WGPUAdapterType_CPU) return host_memory();
  const bool tells = std::find(features.begin(), features.end(), kDawnMemoryHeapsFeature) != features.end();
  if (library.is_dawn() && tells) return dawn_memory(library, adapter);
  return info.backendType == WGPUBackendType_Vulkan ? vulkan_memory(info) : 0;
}

}  // namespace sluice::gpu
