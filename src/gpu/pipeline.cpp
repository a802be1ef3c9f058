// Shader modules, layouts and pipelines: each created inside an error scope, so that an invalid one never gets further.
#include "gpu/pipeline.h"

#include "base/error.h"
#include "base/log.h"
#include "gpu/index_watch.h"

namespace sluice::gpu {
namespace {

Handle<WGPUBindGroupLayout> create_layout(Core& core, const PipelineSource& source) {
  std::vector<WGPUBindGroupLayoutEntry> entries;
  const auto add = [&entries](WGPUBufferBindingType type) {
    WGPUBindGroupLayoutEntry entry = WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT;
    entry.binding = static_cast<uint32_t>(entries.size());
    entry.visibility = WGPUShaderStage_Compute;
    entry.buffer.type = type;
    entries.push_back(entry);
  };
  for (const Access access : source.storage)
    add(access == Access::kRead ? WGPUBufferBindingType_ReadOnlyStorage : WGPUBufferBindingType_Storage);
  if (source.uniforms) add(WGPUBufferBindingType_Uniform);
  if (source.watched) add(WGPUBufferBindingType_Storage);
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

Handle<WGPUShaderModule> checked_module(Core& core, const PipelineSource& source) {
  ErrorScope scope(core, {WGPUErrorFilter_Validation, WGPUErrorFilter_Internal});
  auto module = create_module(core, source);
  std::string error = scope.finish();
  if (error.empty() && module) error = compilation_errors(core, module.get());
  if (!error.empty() || !module) fail("gpu", "{} does not compile: {}", source.name, error);
  return module;
}

}  // namespace

PipelineSource source_of(const PipelineRequest& request, const Core& core) {
  const shader::Shader& shader = request.shader;
  PipelineSource source{shader.file, shader::expand(shader, core.dialect), request.storage, request.uniforms};
  source.watched = core.watch && request.storage.size() < core.info.caps.max_storage_buffers;
  if (source.watched) {
    const auto binding = static_cast<uint32_t>(request.storage.size()) + (request.uniforms ? 1 : 0);
    source.wgsl = core.watch->rewrite(source.name, source.wgsl, binding);
  }
  return source;
}

Handle<WGPUShaderModule> create_module(Core& core, const PipelineSource& source) {
  WGPUShaderSourceWGSL text = WGPU_SHADER_SOURCE_WGSL_INIT;
  text.code = view(source.wgsl);
  WGPUShaderModuleDescriptor descriptor = WGPU_SHADER_MODULE_DESCRIPTOR_INIT;
  descriptor.nextInChain = &text.chain;
  descriptor.label = view(source.name);
  const auto& library = core.library;
  const bool trusted = core.checks != ShaderChecks::kLibrary && library.wgpuDeviceCreateShaderModuleTrusted;
  const WGPUShaderModule module = trusted ? library.wgpuDeviceCreateShaderModuleTrusted(core.device.get(), &descriptor,
                                                                                        WGPUShaderRuntimeChecks_None)
                                          : library.wgpuDeviceCreateShaderModule(core.device.get(), &descriptor);
  return {module, library.wgpuShaderModuleRelease};
}

// Dawn needs the question when it validates nothing itself; wgpu-native has no answer.
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

PipelineDraft draft_pipeline(Core& core, const PipelineSource& source) {
  PipelineDraft draft{std::make_unique<Pipeline>(), {}};
  draft.pipeline->name = source.name;
  draft.pipeline->storage = source.storage;
  draft.pipeline->uniforms = source.uniforms;
  draft.pipeline->watched = source.watched;
  draft.pipeline->layout = create_layout(core, source);
  draft.layout = create_pipeline_layout(core, draft.pipeline->layout.get());
  return draft;
}

WGPUComputePipelineDescriptor describe_pipeline(const PipelineDraft& draft, WGPUShaderModule module) {
  WGPUComputePipelineDescriptor descriptor = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
  descriptor.label = view(draft.pipeline->name);
  descriptor.layout = draft.layout.get();
  descriptor.compute.module = module;
  descriptor.compute.entryPoint = view("main");
  return descriptor;
}

std::unique_ptr<Pipeline> Core::compile(const PipelineSource& source) {
  if (source.storage.size() > info.caps.max_storage_buffers) {
    fail("gpu", "{} binds {} storage buffers, the device allows {}", source.name, source.storage.size(),
         info.caps.max_storage_buffers);
  }
  const auto module = checked_module(*this, source);
  ErrorScope scope(*this, {WGPUErrorFilter_Validation, WGPUErrorFilter_Internal});
  PipelineDraft draft = draft_pipeline(*this, source);
  const WGPUComputePipelineDescriptor descriptor = describe_pipeline(draft, module.get());
  draft.pipeline->handle = {library.wgpuDeviceCreateComputePipeline(device.get(), &descriptor),
                            library.wgpuComputePipelineRelease};
  const std::string error = scope.finish();
  if (!error.empty() || !draft.pipeline->handle) fail("gpu", "{} makes no pipeline: {}", source.name, error);
  ++counters.pipelines_created;
  log(Component::kGpu, LogLevel::kDebug, "pipeline compiled", {{"shader", source.name}});
  return std::move(draft.pipeline);
}

const Pipeline& Device::pipeline(const shader::Shader& shader, std::span<const Access> storage, bool uniforms) {
  Core& core = *impl_->core;
  PipelineRequest key{shader, {storage.begin(), storage.end()}, uniforms};
  const std::lock_guard lock(core.pipelines_mutex);
  if (const auto found = core.pipelines.find(key); found != core.pipelines.end()) return *found->second;
  auto compiled = core.compile(source_of(key, core));
  shader::dump(shader);
  return *core.pipelines.emplace(std::move(key), std::move(compiled)).first->second;
}

}  // namespace sluice::gpu
