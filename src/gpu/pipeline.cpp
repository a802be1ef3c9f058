// Shader modules, layouts and pipelines: each created inside an error scope, so that an invalid one never gets further.
#include "base/error.h"
#include "gpu/core.h"

namespace sluice::gpu {
namespace {

// Errors among the compiler's messages. Dawn needs the question when it validates nothing itself; wgpu-native has no
// answer.
std::string compilation_errors(Core& core, WGPUShaderModule module) {
  if (core.library.is_wgpu_native() || !core.library.wgpuShaderModuleGetCompilationInfo) return {};
  Completion completion;
  WGPUCompilationInfoCallbackInfo callback = WGPU_COMPILATION_INFO_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = &completion;
  callback.callback = [](WGPUCompilationInfoRequestStatus, const WGPUCompilationInfo* info, void* user, void*) {
    auto& result = *static_cast<Completion*>(user);
    for (size_t i = 0; info && i < info->messageCount; ++i) {
      const auto& message = info->messages[i];
      if (message.type != WGPUCompilationMessageType_Error) continue;
      result.error += fmt::format("{}{}:{} {}", result.error.empty() ? "" : "\n", message.lineNum, message.linePos,
                                  text(message.message));
    }
    result.done = true;
  };
  completion.future = core.library.wgpuShaderModuleGetCompilationInfo(module, callback);
  core.wait(completion);
  return completion.error;
}

Handle<WGPUShaderModule> create_module(Core& core, const std::string& name, const std::string& wgsl, bool in_bounds) {
  WGPUShaderSourceWGSL source = WGPU_SHADER_SOURCE_WGSL_INIT;
  source.code = view(wgsl);
  WGPUShaderModuleDescriptor descriptor = WGPU_SHADER_MODULE_DESCRIPTOR_INIT;
  descriptor.nextInChain = &source.chain;
  descriptor.label = view(name);
  ErrorScope scope(core, {WGPUErrorFilter_Validation, WGPUErrorFilter_Internal});
  const auto& library = core.library;
  const bool trusted = (in_bounds || core.trust_shaders) && library.wgpuDeviceCreateShaderModuleTrusted;
  const WGPUShaderModule raw = trusted ? library.wgpuDeviceCreateShaderModuleTrusted(core.device.get(), &descriptor,
                                                                                     WGPUShaderRuntimeChecks_None)
                                       : library.wgpuDeviceCreateShaderModule(core.device.get(), &descriptor);
  Handle<WGPUShaderModule> module(raw, library.wgpuShaderModuleRelease);
  std::string error = scope.finish();
  if (error.empty() && module) error = compilation_errors(core, module.get());
  if (!error.empty() || !module) fail("gpu", "{} does not compile: {}", name, error);
  return module;
}

Handle<WGPUBindGroupLayout> create_layout(Core& core, std::span<const Access> storage, bool uniforms) {
  std::vector<WGPUBindGroupLayoutEntry> entries;
  const auto add = [&entries](WGPUBufferBindingType type) {
    WGPUBindGroupLayoutEntry entry = WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT;
    entry.binding = static_cast<uint32_t>(entries.size());
    entry.visibility = WGPUShaderStage_Compute;
    entry.buffer.type = type;
    entries.push_back(entry);
  };
  for (const Access access : storage)
    add(access == Access::kRead ? WGPUBufferBindingType_ReadOnlyStorage : WGPUBufferBindingType_Storage);
  if (uniforms) add(WGPUBufferBindingType_Uniform);
  WGPUBindGroupLayoutDescriptor descriptor = WGPU_BIND_GROUP_LAYOUT_DESCRIPTOR_INIT;
  descriptor.entryCount = entries.size();
  descriptor.entries = entries.data();
  return {core.library.wgpuDeviceCreateBindGroupLayout(core.device.get(), &descriptor),
          core.library.wgpuBindGroupLayoutRelease};
}

Handle<WGPUPipelineLayout> create_pipeline_layout(Core& core, WGPUBindGroupLayout layout) {
  WGPUPipelineLayoutDescriptor descriptor = WGPU_PIPELINE_LAYOUT_DESCRIPTOR_INIT;
  descriptor.bindGroupLayoutCount = 1;
  descriptor.bindGroupLayouts = &layout;
  return {core.library.wgpuDeviceCreatePipelineLayout(core.device.get(), &descriptor),
          core.library.wgpuPipelineLayoutRelease};
}

}  // namespace

std::unique_ptr<Pipeline> Core::compile(const std::string& name, const std::string& wgsl,
                                        std::span<const Access> storage, bool uniforms, bool in_bounds) {
  if (storage.size() > info.caps.max_storage_buffers) {
    fail("gpu", "{} binds {} storage buffers, the device allows {}", name, storage.size(),
         info.caps.max_storage_buffers);
  }
  const auto module = create_module(*this, name, wgsl, in_bounds);
  auto pipeline = std::make_unique<Pipeline>();
  pipeline->name = name;
  pipeline->storage.assign(storage.begin(), storage.end());
  pipeline->uniforms = uniforms;

  ErrorScope scope(*this, {WGPUErrorFilter_Validation, WGPUErrorFilter_Internal});
  pipeline->layout = create_layout(*this, storage, uniforms);
  const auto layout = create_pipeline_layout(*this, pipeline->layout.get());
  WGPUComputePipelineDescriptor descriptor = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
  descriptor.label = view(name);
  descriptor.layout = layout.get();
  descriptor.compute.module = module.get();
  descriptor.compute.entryPoint = view("main");
  pipeline->handle = {library.wgpuDeviceCreateComputePipeline(device.get(), &descriptor),
                      library.wgpuComputePipelineRelease};
  const std::string error = scope.finish();
  if (!error.empty() || !pipeline->handle) fail("gpu", "{} makes no pipeline: {}", name, error);
  ++counters.pipelines_created;
  return pipeline;
}

const Pipeline& Device::pipeline(const shader::Shader& shader, std::span<const Access> storage, bool uniforms) {
  Core& core = *impl_->core;
  PipelineKey key{shader, {storage.begin(), storage.end()}, uniforms};
  const std::lock_guard lock(core.pipelines_mutex);
  if (const auto found = core.pipelines.find(key); found != core.pipelines.end()) return *found->second;
  auto compiled = core.compile(shader.file, shader::expand(shader, core.dialect), storage, uniforms, shader.in_bounds);
  shader::dump(shader);
  return *core.pipelines.emplace(std::move(key), std::move(compiled)).first->second;
}

}  // namespace sluice::gpu
