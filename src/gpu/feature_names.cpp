#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "gpu/adapter.h"

namespace sluice::gpu {
namespace {

constexpr std::pair<uint32_t, const char*> kNames[] = {
    {WGPUFeatureName_CoreFeaturesAndLimits, "core-features-and-limits"},
    {WGPUFeatureName_DepthClipControl, "depth-clip-control"},
    {WGPUFeatureName_Depth32FloatStencil8, "depth32float-stencil8"},
    {WGPUFeatureName_TextureCompressionBC, "texture-compression-bc"},
    {WGPUFeatureName_TextureCompressionBCSliced3D, "texture-compression-bc-sliced-3d"},
    {WGPUFeatureName_TextureCompressionETC2, "texture-compression-etc2"},
    {WGPUFeatureName_TextureCompressionASTC, "texture-compression-astc"},
    {WGPUFeatureName_TextureCompressionASTCSliced3D, "texture-compression-astc-sliced-3d"},
    {WGPUFeatureName_TimestampQuery, "timestamp-query"},
    {WGPUFeatureName_IndirectFirstInstance, "indirect-first-instance"},
    {WGPUFeatureName_ShaderF16, "shader-f16"},
    {WGPUFeatureName_RG11B10UfloatRenderable, "rg11b10ufloat-renderable"},
    {WGPUFeatureName_BGRA8UnormStorage, "bgra8unorm-storage"},
    {WGPUFeatureName_Float32Filterable, "float32-filterable"},
    {WGPUFeatureName_Float32Blendable, "float32-blendable"},
    {WGPUFeatureName_ClipDistances, "clip-distances"},
    {WGPUFeatureName_DualSourceBlending, "dual-source-blending"},
    {WGPUFeatureName_Subgroups, "subgroups"},
    {WGPUFeatureName_TextureFormatsTier1, "texture-formats-tier1"},
    {WGPUFeatureName_TextureFormatsTier2, "texture-formats-tier2"},
    {WGPUFeatureName_PrimitiveIndex, "primitive-index"},
    {WGPUFeatureName_TextureComponentSwizzle, "texture-component-swizzle"},
    {kDawnSubgroupMatrixFeature, "chromium-experimental-subgroup-matrix"},
    {WGPUNativeFeature_Immediates, "wgpu-native:immediates"},
    {WGPUNativeFeature_PipelineStatisticsQuery, "wgpu-native:pipeline-statistics-query"},
    {WGPUNativeFeature_MappablePrimaryBuffers, "wgpu-native:mappable-primary-buffers"},
    {WGPUNativeFeature_BufferBindingArray, "wgpu-native:buffer-binding-array"},
    {WGPUNativeFeature_Subgroup, "wgpu-native:subgroup"},
    {WGPUNativeFeature_SubgroupVertex, "wgpu-native:subgroup-vertex"},
    {WGPUNativeFeature_SubgroupBarrier, "wgpu-native:subgroup-barrier"},
    {WGPUNativeFeature_TimestampQueryInsideEncoders, "wgpu-native:timestamp-query-inside-encoders"},
    {WGPUNativeFeature_TimestampQueryInsidePasses, "wgpu-native:timestamp-query-inside-passes"},
    {WGPUNativeFeature_ShaderInt64, "wgpu-native:shader-int64"},
    {WGPUNativeFeature_ShaderFloat32Atomic, "wgpu-native:shader-float32-atomic"},
    {WGPUNativeFeature_PipelineCache, "wgpu-native:pipeline-cache"},
    {WGPUNativeFeature_CooperativeMatrix, "wgpu-native:cooperative-matrix"},
    {WGPUNativeFeature_MemoryDecorationCoherent, "wgpu-native:memory-decoration-coherent"},
    {WGPUNativeFeature_MemoryDecorationVolatile, "wgpu-native:memory-decoration-volatile"},
};

}  // namespace

std::string feature_name(WGPUFeatureName feature) {
  for (const auto& [number, name] : kNames) {
    if (number == static_cast<uint32_t>(feature)) return name;
  }
  return fmt::format("feature-{:#x}", static_cast<uint32_t>(feature));
}

}  // namespace sluice::gpu
