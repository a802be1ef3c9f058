// Several pipelines at once. wgpu-native compiles where it is called, from any thread: so we bring the threads. Other
// libraries have threads of their own behind the standard's asynchronous calls, but want to be called from one thread.
//
// What fails is left out here, without a word: Device::pipeline() then compiles it by itself and says what is wrong.
#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "base/error.h"
#include "gpu/pipeline.h"

namespace sluice::gpu {
namespace {

constexpr size_t kMaxThreads = 16;

using Compiled = std::vector<std::unique_ptr<Pipeline>>;  // null: left to pipeline()

// Expands and compiles, without error scopes: the caller looks for errors of all of them.
std::unique_ptr<Pipeline> compile_here(Core& core, const PipelineRequest& request) {
  const PipelineSource source = source_of(request, core);
  const auto module = create_module(core, source);
  if (!module) return nullptr;
  PipelineDraft draft = draft_pipeline(core, source);
  const WGPUComputePipelineDescriptor descriptor = describe_pipeline(draft, module.get());
  draft.pipeline->handle = {core.library.wgpuDeviceCreateComputePipeline(core.device.get(), &descriptor),
                            core.library.wgpuComputePipelineRelease};
  return draft.pipeline->handle ? std::move(draft.pipeline) : nullptr;
}

// Whose error it was is not known with several threads: any error drops all.
Compiled compile_on_threads(Core& core, const std::vector<PipelineRequest>& requests) {
  Compiled compiled(requests.size());
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  const auto work = [&] {
    for (size_t i = next++; i < requests.size() && !failed; i = next++) {
      try {
        compiled[i] = compile_here(core, requests[i]);
      } catch (const Error&) {
        failed = true;
      }
    }
  };
  ErrorScope scope(core, {WGPUErrorFilter_Validation});
  const size_t count = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxThreads);
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(count, requests.size()); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (!scope.finish().empty() || failed) return Compiled(requests.size());
  return compiled;
}

struct AsyncCompilation {
  std::shared_ptr<Completion> completion = std::make_shared<Completion>();
  PipelineDraft draft;
  Handle<WGPUShaderModule> module;
  WGPUComputePipeline pipeline = nullptr;
};

void start(Core& core, const PipelineRequest& request, AsyncCompilation& job) {
  const PipelineSource source = source_of(request, core);
  ErrorScope scope(core, {WGPUErrorFilter_Validation, WGPUErrorFilter_Internal});
  job.module = create_module(core, source);
  job.draft = draft_pipeline(core, source);
  const std::string error = scope.finish();
  if (!error.empty() || !job.module || !compilation_errors(core, job.module.get()).empty())
    fail("gpu", "{} does not compile", source.name);
  const WGPUComputePipelineDescriptor descriptor = describe_pipeline(job.draft, job.module.get());
  WGPUCreateComputePipelineAsyncCallbackInfo callback = WGPU_CREATE_COMPUTE_PIPELINE_ASYNC_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = &job;
  callback.callback = [](WGPUCreatePipelineAsyncStatus, WGPUComputePipeline pipeline, WGPUStringView, void* user,
                         void*) {
    auto& mine = *static_cast<AsyncCompilation*>(user);
    mine.pipeline = pipeline;
    mine.completion->done = true;
  };
  job.completion->future = core.library.wgpuDeviceCreateComputePipelineAsync(core.device.get(), &descriptor, callback);
}

Compiled compile_asynchronously(Core& core, const std::vector<PipelineRequest>& requests) {
  std::vector<AsyncCompilation> jobs(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    try {
      start(core, requests[i], jobs[i]);
    } catch (const Error&) {
      jobs[i].completion->done = true;
    }
  }
  Compiled compiled(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    core.wait(*jobs[i].completion);
    if (!jobs[i].pipeline) continue;
    compiled[i] = std::move(jobs[i].draft.pipeline);
    compiled[i]->handle = {jobs[i].pipeline, core.library.wgpuComputePipelineRelease};
  }
  return compiled;
}

std::vector<PipelineRequest> missing(const Core& core, std::span<const PipelineRequest> requests) {
  std::set<PipelineRequest> wanted;
  for (const PipelineRequest& request : requests) {
    if (!core.pipelines.contains(request) && request.storage.size() <= core.info.caps.max_storage_buffers)
      wanted.insert(request);
  }
  return {wanted.begin(), wanted.end()};
}

}  // namespace

void Device::compile_ahead(std::span<const PipelineRequest> requests) {
  Core& core = *impl_->core;
  const std::lock_guard lock(core.pipelines_mutex);
  const std::vector<PipelineRequest> wanted = missing(core, requests);
  if (wanted.size() < 2) return;
  const bool asynchronous = !core.library.is_wgpu_native() && core.library.wgpuDeviceCreateComputePipelineAsync;
  if (!asynchronous && !core.library.is_wgpu_native()) return;
  Compiled compiled = asynchronous ? compile_asynchronously(core, wanted) : compile_on_threads(core, wanted);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!compiled[i]) continue;
    shader::dump(wanted[i].shader);
    core.pipelines.emplace(wanted[i], std::move(compiled[i]));
    ++core.counters.pipelines_created;
  }
}

}  // namespace sluice::gpu
