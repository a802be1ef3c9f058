// The WebGPU library, loaded at run time: a table of the functions of webgpu.h that Sluice uses. Any library with the
// standard ABI serves; what only wgpu-native exports (polling a device, listing adapters) is optional.
#pragma once

#include <wgpu.h>

#include <string>

#include "base/dynamic_library.h"

namespace sluice::gpu {

// clang-format off
#define SLUICE_WEBGPU_REQUIRED(X)                                                                                    \
  X(wgpuCreateInstance) X(wgpuInstanceProcessEvents) X(wgpuInstanceRequestAdapter) X(wgpuInstanceRelease)            \
  X(wgpuAdapterGetInfo) X(wgpuAdapterInfoFreeMembers) X(wgpuAdapterGetLimits) X(wgpuAdapterGetFeatures)              \
  X(wgpuSupportedFeaturesFreeMembers) X(wgpuAdapterRequestDevice) X(wgpuAdapterRelease) X(wgpuDeviceGetQueue)        \
  X(wgpuDeviceGetLimits) X(wgpuDeviceHasFeature) X(wgpuDeviceCreateBuffer) X(wgpuDeviceCreateBindGroupLayout)        \
  X(wgpuDeviceCreatePipelineLayout) X(wgpuDeviceCreateShaderModule) X(wgpuDeviceCreateComputePipeline)               \
  X(wgpuDeviceCreateBindGroup) X(wgpuDeviceCreateCommandEncoder) X(wgpuDeviceCreateQuerySet)                         \
  X(wgpuDevicePushErrorScope) X(wgpuDevicePopErrorScope) X(wgpuDeviceRelease) X(wgpuQueueSubmit)                     \
  X(wgpuQueueWriteBuffer) X(wgpuQueueOnSubmittedWorkDone) X(wgpuQueueRelease) X(wgpuBufferMapAsync)                  \
  X(wgpuBufferGetConstMappedRange) X(wgpuBufferGetMappedRange) X(wgpuBufferUnmap) X(wgpuBufferAddRef)                \
  X(wgpuBufferRelease)                                                                                               \
  X(wgpuBindGroupRelease) X(wgpuBindGroupLayoutRelease) X(wgpuPipelineLayoutRelease) X(wgpuShaderModuleRelease)      \
  X(wgpuComputePipelineRelease) X(wgpuQuerySetRelease) X(wgpuCommandEncoderBeginComputePass)                         \
  X(wgpuCommandEncoderCopyBufferToBuffer) X(wgpuCommandEncoderClearBuffer) X(wgpuCommandEncoderResolveQuerySet)      \
  X(wgpuCommandEncoderFinish) X(wgpuCommandEncoderRelease) X(wgpuCommandBufferRelease)                               \
  X(wgpuComputePassEncoderSetPipeline) X(wgpuComputePassEncoderSetBindGroup)                                         \
  X(wgpuComputePassEncoderDispatchWorkgroups) X(wgpuComputePassEncoderDispatchWorkgroupsIndirect)                    \
  X(wgpuComputePassEncoderEnd) X(wgpuComputePassEncoderRelease)

#define SLUICE_WEBGPU_OPTIONAL(X)                                                                                    \
  X(wgpuInstanceWaitAny) X(wgpuInstanceHasWGSLLanguageFeature) X(wgpuShaderModuleGetCompilationInfo)                 \
  X(wgpuInstanceEnumerateAdapters) X(wgpuQueueSubmitForIndex) X(wgpuQueueGetTimestampPeriod) X(wgpuDevicePoll)       \
  X(wgpuDeviceCreateShaderModuleTrusted) X(wgpuDeviceCreateComputePipelineAsync) X(wgpuSetLogLevel) X(wgpuGetVersion)
// clang-format on

// Structs and functions of Dawn alone, copied by hand because webgpu.h of another library does not have them. The first
// function is also the mark that tells Dawn from others.
struct DawnMemoryHeaps {
  struct Heap {
    uint64_t properties;  // bit 0: device-local
    uint64_t size;
  };
  WGPUChainedStruct chain;
  size_t count;
  const Heap* heaps;
};

// The same for the shapes of subgroup matrices; the numbers of a type are those of SubgroupMatrix::Type (caps.h).
struct DawnSubgroupMatrices {
  struct Shape {
    uint32_t operands, sums;
    uint32_t m, n, k;
  };
  WGPUChainedStruct chain;
  size_t count;
  const Shape* shapes;
};

class Library {
 public:
  // Throws if the file cannot be loaded or lacks a required function.
  explicit Library(const std::string& path);

  // The library of a path, loaded once a process. An empty path means SLUICE_WEBGPU_LIBRARY, then the file that the
  // build fetched, first under its name beside our own program or module, then where the build has it.
  static const Library& load(const std::string& path);

  const std::string& path() const { return file_.path(); }
  // wgpu-native polls a device; the standard way is to wait for futures of the instance.
  bool is_wgpu_native() const { return wgpuDevicePoll && wgpuInstanceEnumerateAdapters && wgpuGetVersion; }
  bool is_dawn() const { return free_memory_heaps != nullptr; }
  std::string version() const;

#define SLUICE_DECLARE(name) decltype(&::name) name = nullptr;
  SLUICE_WEBGPU_REQUIRED(SLUICE_DECLARE)
  SLUICE_WEBGPU_OPTIONAL(SLUICE_DECLARE)
#undef SLUICE_DECLARE
  void (*free_memory_heaps)(DawnMemoryHeaps) = nullptr;
  void (*free_subgroup_matrices)(DawnSubgroupMatrices) = nullptr;

 private:
  DynamicLibrary file_;
};

inline WGPUStringView view(std::string_view text) { return {text.data(), text.size()}; }
inline std::string text(WGPUStringView view) {
  if (!view.data) return {};
  return view.length == WGPU_STRLEN ? std::string(view.data) : std::string(view.data, view.length);
}

}  // namespace sluice::gpu
