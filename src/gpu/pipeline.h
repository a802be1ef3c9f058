// Making pipelines: what compiling one at a time and several at once share. These functions open no error scopes: the
// caller does, or the library's message arrives as an uncaptured error.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpu/core.h"

namespace sluice::gpu {

struct PipelineSource {
  std::string name;  // file of the shader, for messages
  std::string wgsl;
  std::vector<Access> storage;
  bool uniforms = false;
  bool watched = false;  // has a binding more, for Core::watch
};

PipelineSource source_of(const PipelineRequest& request, const Core& core);

Handle<WGPUShaderModule> create_module(Core& core, const PipelineSource& source);
// Errors among the compiler's messages, where the library answers; it must be asked before an unchecked module is used.
std::string compilation_errors(Core& core, WGPUShaderModule module);

// A pipeline that lacks only its handle, and the layout that the handle is made with.
struct PipelineDraft {
  std::unique_ptr<Pipeline> pipeline;
  Handle<WGPUPipelineLayout> layout;
};
PipelineDraft draft_pipeline(Core& core, const PipelineSource& source);
WGPUComputePipelineDescriptor describe_pipeline(const PipelineDraft& draft, WGPUShaderModule module);

}  // namespace sluice::gpu
