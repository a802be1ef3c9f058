#include "gpu/caps.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/environment.h"
#include "base/error.h"
#include "gpu/adapter.h"

namespace sluice::gpu {

CapsOverride CapsOverride::from_environment() {
  CapsOverride result;
  const char* value = std::getenv("SLUICE_DISABLE");
  std::string_view rest = value ? value : "";
  while (!rest.empty()) {
    const auto end = std::min(rest.find(','), rest.size());
    const auto word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (word == "f16")
      result.no_f16 = true;
    else if (word == "subgroups")
      result.no_subgroups = true;
    else if (word == "dot4i8")
      result.no_dot4i8 = true;
    else if (word == "subgroup-matrix")
      result.no_subgroup_matrix = true;
    else if (word == "timestamps")
      result.no_timestamps = true;
    else if (word == "fusion")
      result.no_fusion = true;
    else if (word == "large-limits")
      result.small_limits = true;
    else if (!word.empty()) {
      fail(
          "gpu",
          "SLUICE_DISABLE takes a comma-separated list of f16, subgroups, dot4i8, subgroup-matrix, timestamps, fusion, "
          "large-limits, got {}",
          word);
    }
  }
  constexpr uint64_t kLeastBinding = 4096;
  result.max_binding = bytes_from_environment("SLUICE_MAX_BINDING").value_or(result.max_binding);
  if (result.max_binding < kLeastBinding)
    fail("gpu", "SLUICE_MAX_BINDING must be at least {} bytes, got {}", kLeastBinding, result.max_binding);
  return result;
}

WGPUFeatureName subgroup_feature(const Library& library) {
  return library.is_wgpu_native() ? static_cast<WGPUFeatureName>(WGPUNativeFeature_Subgroup)
                                  : WGPUFeatureName_Subgroups;
}

Caps caps_of(const std::vector<WGPUFeatureName>& features, const WGPULimits& limits, const Library& library) {
  const auto has = [&features](WGPUFeatureName f) {
    return std::find(features.begin(), features.end(), f) != features.end();
  };
  Caps caps;
  caps.f16 = has(WGPUFeatureName_ShaderF16);
  caps.subgroups = has(subgroup_feature(library));
  caps.timestamps = has(WGPUFeatureName_TimestampQuery);
  caps.max_invocations = limits.maxComputeInvocationsPerWorkgroup;
  caps.max_workgroup_size[0] = limits.maxComputeWorkgroupSizeX;
  caps.max_workgroup_size[1] = limits.maxComputeWorkgroupSizeY;
  caps.max_workgroup_size[2] = limits.maxComputeWorkgroupSizeZ;
  caps.max_workgroups = limits.maxComputeWorkgroupsPerDimension;
  caps.max_workgroup_storage = limits.maxComputeWorkgroupStorageSize;
  caps.max_storage_buffers = limits.maxStorageBuffersPerShaderStage;
  caps.max_binding = limits.maxStorageBufferBindingSize;
  caps.max_buffer = limits.maxBufferSize;
  caps.storage_alignment = limits.minStorageBufferOffsetAlignment;
  caps.uniform_alignment = limits.minUniformBufferOffsetAlignment;
  return caps;
}

}  // namespace sluice::gpu
