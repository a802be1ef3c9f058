#include "gpu/core.h"

#include <chrono>
#include <thread>

#include "base/error.h"
#include "gpu/index_watch.h"

namespace sluice::gpu {
namespace {

constexpr uint64_t kForever = ~uint64_t{0};
constexpr int kMaxRounds = 1 << 22;  // one is enough where waiting is a call; polling every 20 us lasts minutes

// The callback's own hold on a Completion, given as user data.
void* hold(const std::shared_ptr<Completion>& completion) { return new std::shared_ptr<Completion>(completion); }

void complete(void* user, std::string error) {
  const std::unique_ptr<std::shared_ptr<Completion>> completion(static_cast<std::shared_ptr<Completion>*>(user));
  (*completion)->error = std::move(error);
  (*completion)->done.store(true, std::memory_order_release);
}

}  // namespace

Core::Core(const Library& loaded) : library(loaded) {}
Core::~Core() = default;

void MemoryCount::add(uint64_t bytes) {
  const uint64_t live = live_ += bytes;
  uint64_t peak = peak_;
  while (peak < live && !peak_.compare_exchange_weak(peak, live)) {
  }
}

CountedBuffer::CountedBuffer(Handle<WGPUBuffer> handle, uint64_t bytes, MemoryCount& count)
    : handle_(std::move(handle)), bytes_(bytes), count_(&count) {
  count_->add(bytes_);
}

CountedBuffer::CountedBuffer(CountedBuffer&& other) noexcept
    : handle_(std::move(other.handle_)),
      bytes_(std::exchange(other.bytes_, 0)),
      count_(std::exchange(other.count_, nullptr)) {}

CountedBuffer& CountedBuffer::operator=(CountedBuffer&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(bytes_, other.bytes_);
  std::swap(count_, other.count_);
  return *this;
}

CountedBuffer::~CountedBuffer() {
  if (count_) count_->remove(bytes_);
}

void Core::check() {
  const std::lock_guard lock(errors.mutex);
  if (!errors.lost.empty()) fail("gpu", "the device {} is lost: {}", info.name, errors.lost);
  if (errors.error.empty()) return;
  fail("gpu", "{} reported: {}", info.library_version, std::exchange(errors.error, {}));
}

void Core::wait(const Completion& completion) {
  for (int rounds = 0; !completion.done.load(std::memory_order_acquire); ++rounds) {
    if (rounds == kMaxRounds)
      fail("gpu", "{} never finishes what was submitted; the device may be lost", info.library_version);
    if (library.wgpuDevicePoll) {
      if (rounds > 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      library.wgpuDevicePoll(device.get(), WGPU_TRUE, completion.submission ? &completion.submission : nullptr);
    } else if (library.wgpuInstanceWaitAny) {
      WGPUFutureWaitInfo info_of_wait{completion.future, WGPU_FALSE};
      library.wgpuInstanceWaitAny(instance.get(), 1, &info_of_wait, kForever);
    } else {
      library.wgpuInstanceProcessEvents(instance.get());
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
}

void Core::poll() {
  if (library.wgpuDevicePoll) {
    library.wgpuDevicePoll(device.get(), WGPU_FALSE, nullptr);
  } else {
    library.wgpuInstanceProcessEvents(instance.get());
  }
}

WGPUSubmissionIndex Core::submit(std::initializer_list<WGPUCommandBuffer> commands) {
  if (library.wgpuQueueSubmitForIndex)
    return library.wgpuQueueSubmitForIndex(queue.get(), commands.size(), commands.begin());
  library.wgpuQueueSubmit(queue.get(), commands.size(), commands.begin());
  return 0;
}

std::shared_ptr<Completion> Core::submitted_work_done() {
  auto completion = std::make_shared<Completion>();
  WGPUQueueWorkDoneCallbackInfo callback = WGPU_QUEUE_WORK_DONE_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = hold(completion);
  callback.callback = [](WGPUQueueWorkDoneStatus status, WGPUStringView message, void* user, void*) {
    complete(user, status == WGPUQueueWorkDoneStatus_Success ? "" : "queue: " + text(message));
  };
  completion->future = library.wgpuQueueOnSubmittedWorkDone(queue.get(), callback);
  return completion;
}

CountedBuffer Core::create_buffer(uint64_t bytes, WGPUBufferUsage usage, const std::string& label) {
  if (bytes > info.caps.max_buffer) {
    fail("gpu", "buffer {} of {} bytes is larger than the device's limit of {}", label, bytes, info.caps.max_buffer);
  }
  WGPUBufferDescriptor descriptor = WGPU_BUFFER_DESCRIPTOR_INIT;
  descriptor.label = view(label);
  descriptor.size = bytes;
  descriptor.usage = usage;
  ErrorScope scope(*this, {WGPUErrorFilter_Validation, WGPUErrorFilter_OutOfMemory, WGPUErrorFilter_Internal});
  Handle<WGPUBuffer> buffer(library.wgpuDeviceCreateBuffer(device.get(), &descriptor), library.wgpuBufferRelease);
  const std::string error = scope.finish();
  if (!error.empty() || !buffer) {
    fail("gpu", "out of memory: buffer {} of {} bytes (limit {}): {}", label, bytes, info.caps.max_buffer, error);
  }
  ++counters.buffers_created;
  const bool of_host = usage & (WGPUBufferUsage_MapRead | WGPUBufferUsage_MapWrite);
  return {std::move(buffer), of_host ? 0 : bytes, memory};
}

// Sizes are powers of two, so that recordings of nearly equal sizes share buffers.
CountedBuffer Core::take_staging(uint64_t bytes) {
  if (const auto idle = staging.find(bytes); idle != staging.end()) {
    auto buffer = std::move(idle->second);
    staging.erase(idle);
    return buffer;
  }
  return create_buffer(bytes, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "readback");
}

void Core::give_staging(uint64_t bytes, CountedBuffer buffer) {
  constexpr uint64_t kKeptBytes = 1u << 20;  // larger ones are rare and freed
  if (bytes <= kKeptBytes) staging.emplace(bytes, std::move(buffer));
}

std::shared_ptr<Completion> Core::map(WGPUBuffer buffer, WGPUMapMode mode, uint64_t bytes,
                                      WGPUSubmissionIndex submission) {
  auto completion = std::make_shared<Completion>();
  completion->submission = submission;
  WGPUBufferMapCallbackInfo callback = WGPU_BUFFER_MAP_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = hold(completion);
  callback.callback = [](WGPUMapAsyncStatus status, WGPUStringView message, void* user, void*) {
    complete(user, status == WGPUMapAsyncStatus_Success ? "" : "mapping failed: " + text(message));
  };
  completion->future = library.wgpuBufferMapAsync(buffer, mode, 0, bytes, callback);
  ++counters.maps;
  return completion;
}

ErrorScope::ErrorScope(Core& core, std::initializer_list<WGPUErrorFilter> filters) : core_(core) {
  for (const auto filter : filters) {
    // wgpu-native has no scope for internal errors and aborts when asked: they arrive as uncaptured ones.
    if (filter == WGPUErrorFilter_Internal && core_.library.is_wgpu_native()) continue;
    core_.library.wgpuDevicePushErrorScope(core_.device.get(), filter);
    ++open_;
  }
}

ErrorScope::~ErrorScope() {
  while (open_ > 0) pop();
}

std::shared_ptr<Completion> ErrorScope::pop() {
  auto completion = std::make_shared<Completion>();
  WGPUPopErrorScopeCallbackInfo callback = WGPU_POP_ERROR_SCOPE_CALLBACK_INFO_INIT;
  callback.mode = WGPUCallbackMode_AllowProcessEvents;
  callback.userdata1 = hold(completion);
  callback.callback = [](WGPUPopErrorScopeStatus, WGPUErrorType type, WGPUStringView message, void* user, void*) {
    std::string error = type == WGPUErrorType_NoError ? "" : text(message);
    if (type != WGPUErrorType_NoError && error.empty()) error = "unknown error";
    complete(user, std::move(error));
  };
  completion->future = core_.library.wgpuDevicePopErrorScope(core_.device.get(), callback);
  --open_;
  return completion;
}

std::string ErrorScope::finish() {
  std::string first;
  while (open_ > 0) {
    const auto completion = pop();
    core_.wait(*completion);
    if (first.empty()) first = std::move(completion->error);
  }
  const std::lock_guard lock(core_.errors.mutex);
  return first.empty() ? std::exchange(core_.errors.error, {}) : first;
}

}  // namespace sluice::gpu
