// Recording: dispatches share a compute pass until a copy or a timestamp needs its end.
#include "base/error.h"
#include "gpu/core.h"

namespace sluice::gpu {
namespace {

constexpr uint32_t kMaxPairs = 2048;  // WebGPU allows 4096 queries in a set

}  // namespace

Commands::Impl::Impl(std::shared_ptr<Core> shared) : core(std::move(shared)) {
  const auto& library = core->library;
  WGPUCommandEncoderDescriptor descriptor = WGPU_COMMAND_ENCODER_DESCRIPTOR_INIT;
  encoder = {library.wgpuDeviceCreateCommandEncoder(core->device.get(), &descriptor),
             library.wgpuCommandEncoderRelease};
}

Commands::Impl::~Impl() { close_pass(); }

uint32_t Commands::Impl::new_pair() {
  if (timings.pairs == kMaxPairs) fail("gpu", "a recording can time at most {} dispatches", kMaxPairs);
  if (!queries) {
    WGPUQuerySetDescriptor descriptor = WGPU_QUERY_SET_DESCRIPTOR_INIT;
    descriptor.type = WGPUQueryType_Timestamp;
    descriptor.count = 2 * kMaxPairs;
    queries = {core->library.wgpuDeviceCreateQuerySet(core->device.get(), &descriptor),
               core->library.wgpuQuerySetRelease};
  }
  return timings.pairs++;
}

void Commands::Impl::open_pass() {
  if (pass) return;
  WGPUComputePassDescriptor descriptor = WGPU_COMPUTE_PASS_DESCRIPTOR_INIT;
  WGPUPassTimestampWrites writes = WGPU_PASS_TIMESTAMP_WRITES_INIT;
  if (time_each || in_span) {
    const uint32_t pair = new_pair();
    if (time_each) timings.spans.emplace_back(pair, pair + 1);
    writes.querySet = queries.get();
    writes.beginningOfPassWriteIndex = 2 * pair;
    writes.endOfPassWriteIndex = 2 * pair + 1;
    descriptor.timestampWrites = &writes;
  }
  const auto& library = core->library;
  pass = {library.wgpuCommandEncoderBeginComputePass(encoder.get(), &descriptor),
          library.wgpuComputePassEncoderRelease};
  current = nullptr;
}

void Commands::Impl::close_pass() {
  if (!pass) return;
  core->library.wgpuComputePassEncoderEnd(pass.get());
  pass = {};
}

// Query results stay on the GPU until read_timings() asks.
void Commands::Impl::resolve_timings() {
  if (timings.pairs == 0) return;
  const uint64_t bytes = uint64_t{timings.pairs} * 16;
  timings.resolved = core->create_buffer(bytes, WGPUBufferUsage_QueryResolve | WGPUBufferUsage_CopySrc, "timestamps");
  core->library.wgpuCommandEncoderResolveQuerySet(encoder.get(), queries.get(), 0, 2 * timings.pairs,
                                                  timings.resolved.get(), 0);
}

Handle<WGPUCommandBuffer> Commands::Impl::finish() {
  if (in_span) fail("gpu", "a timed span was begun and not ended");
  close_pass();
  resolve_timings();
  const auto& library = core->library;
  WGPUCommandBufferDescriptor descriptor = WGPU_COMMAND_BUFFER_DESCRIPTOR_INIT;
  // Dawn answers a scope only by a round trip and reports a bad submission later; wgpu-native answers at once and would
  // abort.
  if (!library.is_wgpu_native()) {
    return {library.wgpuCommandEncoderFinish(encoder.get(), &descriptor), library.wgpuCommandBufferRelease};
  }
  ErrorScope scope(*core, {WGPUErrorFilter_Validation});
  Handle<WGPUCommandBuffer> buffer(library.wgpuCommandEncoderFinish(encoder.get(), &descriptor),
                                   library.wgpuCommandBufferRelease);
  if (const std::string error = scope.finish(); !error.empty()) fail("gpu", "invalid recording: {}", error);
  return buffer;
}

Commands::Commands(Device& device) : impl_(std::make_unique<Impl>(device.impl_->core)) {}
Commands::Commands(Commands&&) noexcept = default;
Commands& Commands::operator=(Commands&&) noexcept = default;
Commands::~Commands() = default;

void Commands::dispatch(const Step& step) {
  const Step::Impl& s = *step.impl_;
  if (!s.indirect && (s.groups[0] == 0 || s.groups[1] == 0 || s.groups[2] == 0)) {
    if (impl_->time_each) impl_->timings.spans.emplace_back(0, 0);
    return;
  }
  const auto& library = impl_->core->library;
  impl_->open_pass();
  WGPUComputePassEncoder pass = impl_->pass.get();
  if (impl_->current != s.pipeline) {
    library.wgpuComputePassEncoderSetPipeline(pass, s.pipeline);
    impl_->current = s.pipeline;
  }
  library.wgpuComputePassEncoderSetBindGroup(pass, 0, s.bindings.get(), 0, nullptr);
  if (s.indirect) {
    library.wgpuComputePassEncoderDispatchWorkgroupsIndirect(pass, s.indirect.get(), s.indirect_offset);
  } else {
    library.wgpuComputePassEncoderDispatchWorkgroups(pass, s.groups[0], s.groups[1], s.groups[2]);
  }
  ++impl_->dispatches;
  if (impl_->time_each) impl_->close_pass();
}

void Commands::dispatch(std::span<const Step> steps) {
  for (const Step& step : steps) dispatch(step);
}

void Commands::copy(const Buffer& from, uint64_t from_offset, const Buffer& to, uint64_t to_offset, uint64_t bytes) {
  if (bytes == 0) return;
  if ((from_offset | to_offset | bytes) % 4) {
    fail("gpu", "copy of {} bytes from {} to {}: offsets and size must be multiples of 4", bytes, from_offset,
         to_offset);
  }
  if (from_offset > from.size() || bytes > from.size() - from_offset || to_offset > to.size() ||
      bytes > to.size() - to_offset) {
    fail("gpu", "copy of {} bytes from {} of {} to {} of {} leaves a buffer", bytes, from_offset, from.size(),
         to_offset, to.size());
  }
  if (from.impl_ && to.impl_ && from.impl_->handle.get() == to.impl_->handle.get())
    fail("gpu", "copy within one buffer");
  impl_->close_pass();
  impl_->core->library.wgpuCommandEncoderCopyBufferToBuffer(impl_->encoder.get(), from.impl_->handle.get(), from_offset,
                                                            to.impl_->handle.get(), to_offset, bytes);
}

void Commands::clear(const Buffer& buffer, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return;
  if ((offset | bytes) % 4 || offset > buffer.size() || bytes > buffer.size() - offset) {
    fail("gpu", "clear of {} bytes at {} of a buffer of {}: must be multiples of 4 inside it", bytes, offset,
         buffer.size());
  }
  impl_->close_pass();
  impl_->core->library.wgpuCommandEncoderClearBuffer(impl_->encoder.get(), buffer.impl_->handle.get(), offset, bytes);
}

void Commands::time_each_dispatch() {
  if (!impl_->core->info.caps.timestamps) fail("gpu", "the device has no timestamp queries");
  if (impl_->in_span) fail("gpu", "time_each_dispatch inside a timed span");
  impl_->close_pass();
  impl_->time_each = true;
}

void Commands::begin_timed_span() {
  if (!impl_->core->info.caps.timestamps) fail("gpu", "the device has no timestamp queries");
  if (impl_->time_each || impl_->in_span) fail("gpu", "timed spans do not nest");
  impl_->close_pass();
  impl_->in_span = true;
  impl_->timings.spans.emplace_back(impl_->timings.pairs, impl_->timings.pairs);
}

void Commands::end_timed_span() {
  if (!impl_->in_span) fail("gpu", "no timed span to end");
  impl_->close_pass();
  impl_->in_span = false;
  impl_->timings.spans.back().second = impl_->timings.pairs;
}

}  // namespace sluice::gpu
