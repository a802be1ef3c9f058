// What a device and everything made from it share: library objects, stored errors, waiting. Buffers, steps, recordings
// and readbacks hold it, so that they may outlive the Device.
#pragma once

#include <atomic>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gpu/adapter.h"
#include "gpu/device.h"
#include "gpu/handle.h"
#include "gpu/library.h"

namespace sluice::gpu {

// Errors that the library reports outside any call of ours, kept until the next call that touches the queue.
struct ErrorSink {
  std::mutex mutex;
  std::string error, lost;
};

// Something that the library finishes later. Shared with the callback, which may come after everybody else let go.
struct Completion {
  std::atomic<bool> done = false;
  std::string error;
  WGPUFuture future{};
  WGPUSubmissionIndex submission = 0;  // wgpu-native: waiting for this submission completes it; 0: wait for all
};

struct Pipeline {
  std::string name;  // file of the shader, for messages
  std::vector<Access> storage;
  bool uniforms = false;
  bool watched = false;  // has a binding more, for Core::watch
  Handle<WGPUBindGroupLayout> layout;
  Handle<WGPUComputePipeline> handle;
};

// Bytes of live buffers; any thread may count.
class MemoryCount {
 public:
  void add(uint64_t bytes);
  void remove(uint64_t bytes) { live_ -= bytes; }
  void reset_peak() { peak_ = live_.load(); }
  MemoryUse use() const { return {live_, peak_}; }

 private:
  std::atomic<uint64_t> live_ = 0, peak_ = 0;
};

// An owned WGPUBuffer whose bytes are counted while it lives. The count must live longer.
class CountedBuffer {
 public:
  CountedBuffer() = default;
  CountedBuffer(Handle<WGPUBuffer> handle, uint64_t bytes, MemoryCount& count);
  CountedBuffer(CountedBuffer&& other) noexcept;
  CountedBuffer& operator=(CountedBuffer&& other) noexcept;
  ~CountedBuffer();
  WGPUBuffer get() const { return handle_.get(); }
  explicit operator bool() const { return static_cast<bool>(handle_); }

 private:
  Handle<WGPUBuffer> handle_;
  uint64_t bytes_ = 0;
  MemoryCount* count_ = nullptr;
};

// Timestamps of the last recording that took some: a pair of queries a pass, and spans of pairs [first, second).
struct PendingTimings {
  CountedBuffer resolved;
  uint32_t pairs = 0;
  std::vector<std::pair<uint32_t, uint32_t>> spans;
};

struct PipelineSource;
class IndexWatch;

struct Core {
  explicit Core(const Library& loaded);
  ~Core();

  // Throws what the library reported since the last check.
  void check();
  void wait(const Completion& completion);
  void poll();
  // Runs command buffers (none: only flushes queued writes) and returns the submission's number, 0 where the library
  // has none.
  WGPUSubmissionIndex submit(std::initializer_list<WGPUCommandBuffer> commands);
  // Completes when all that was submitted so far is done.
  std::shared_ptr<Completion> submitted_work_done();

  CountedBuffer create_buffer(uint64_t bytes, WGPUBufferUsage usage, const std::string& label);
  CountedBuffer take_staging(uint64_t bytes);
  void give_staging(uint64_t bytes, CountedBuffer buffer);
  std::shared_ptr<Completion> map(WGPUBuffer staging, WGPUMapMode mode, uint64_t bytes, WGPUSubmissionIndex submission);

  std::unique_ptr<Pipeline> compile(const PipelineSource& source);

  const Library& library;
  ErrorSink errors;
  Handle<WGPUInstance> instance;
  Handle<WGPUAdapter> adapter;
  Handle<WGPUDevice> device;
  Handle<WGPUQueue> queue;
  AdapterInfo info;
  ShaderChecks checks = ShaderChecks::kNone;
  shader::Dialect dialect;
  Counters counters;
  MemoryCount memory;
  std::mutex pipelines_mutex;
  std::map<PipelineRequest, std::unique_ptr<Pipeline>> pipelines;
  std::multimap<uint64_t, CountedBuffer> staging;  // idle staging buffers by size
  PendingTimings timings;
  uint64_t written = 0;                        // bytes of large writes since the last flush
  std::shared_ptr<Completion> previous_flush;  // of large writes
  std::unique_ptr<IndexWatch> watch;           // with ShaderChecks::kReport
};

// Catches the errors of the calls between construction and finish(); one that is not finished is popped unread.
class ErrorScope {
 public:
  ErrorScope(Core& core, std::initializer_list<WGPUErrorFilter> filters);
  ~ErrorScope();
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;
  // Text of the first error, also of one that no scope caught; empty if there was none.
  std::string finish();

 private:
  std::shared_ptr<Completion> pop();

  Core& core_;
  size_t open_ = 0;
};

struct Device::Impl {
  WGPUSubmissionIndex run(Commands&& commands);

  std::shared_ptr<Core> core;
};

struct Buffer::Impl {
  std::shared_ptr<Core> core;
  std::string label;
  CountedBuffer handle;
};

struct Step::Impl {
  std::shared_ptr<Core> core;
  WGPUComputePipeline pipeline = nullptr;
  Handle<WGPUBindGroup> bindings;
  uint32_t groups[3] = {1, 1, 1};
  Handle<WGPUBuffer> indirect;
  uint64_t indirect_offset = 0;
};

struct Commands::Impl {
  explicit Impl(std::shared_ptr<Core> shared);
  ~Impl();
  void open_pass();
  void close_pass();
  uint32_t new_pair();
  void resolve_timings();
  Handle<WGPUCommandBuffer> finish();

  std::shared_ptr<Core> core;
  Handle<WGPUCommandEncoder> encoder;
  Handle<WGPUComputePassEncoder> pass;
  WGPUComputePipeline current = nullptr;  // pipeline set in the pass
  uint64_t dispatches = 0;
  bool time_each = false, in_span = false;
  Handle<WGPUQuerySet> queries;
  PendingTimings timings;
};

struct Readback::Impl {
  ~Impl();
  std::shared_ptr<Core> core;
  CountedBuffer staging;
  uint64_t capacity = 0, skip = 0, size = 0;  // the wanted bytes begin `skip` bytes into the buffer
  uint64_t note = 0;                          // where the copy of Core::watch's buffer begins
  std::shared_ptr<Completion> mapped;
  const std::byte* data = nullptr;
};

}  // namespace sluice::gpu
