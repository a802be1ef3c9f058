// Reads the timestamps of the last timed recording.
#include <cstring>

#include "base/error.h"
#include "gpu/core.h"

namespace sluice::gpu {
namespace {

// Standard timestamps are nanoseconds; wgpu-native leaves them in ticks of the queue's period.
double nanoseconds_per_tick(const Core& core) {
  return core.library.wgpuQueueGetTimestampPeriod ? core.library.wgpuQueueGetTimestampPeriod(core.queue.get()) : 1.0;
}

std::vector<uint64_t> read_ticks(Core& core, const PendingTimings& timings) {
  const uint64_t bytes = uint64_t{timings.pairs} * 16;
  const auto& library = core.library;
  CountedBuffer staging =
      core.create_buffer(bytes, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "timestamps readback");
  Handle<WGPUCommandEncoder> encoder(library.wgpuDeviceCreateCommandEncoder(core.device.get(), nullptr),
                                     library.wgpuCommandEncoderRelease);
  library.wgpuCommandEncoderCopyBufferToBuffer(encoder.get(), timings.resolved.get(), 0, staging.get(), 0, bytes);
  Handle<WGPUCommandBuffer> commands(library.wgpuCommandEncoderFinish(encoder.get(), nullptr),
                                     library.wgpuCommandBufferRelease);
  const auto mapped = core.map(staging.get(), WGPUMapMode_Read, bytes, core.submit({commands.get()}));
  ++core.counters.submits;
  ++core.counters.waits;
  core.wait(*mapped);
  core.check();
  if (!mapped->error.empty()) fail("gpu", "{}", mapped->error);
  std::vector<uint64_t> ticks(2 * timings.pairs);
  std::memcpy(ticks.data(), library.wgpuBufferGetConstMappedRange(staging.get(), 0, bytes), bytes);
  library.wgpuBufferUnmap(staging.get());
  return ticks;
}

}  // namespace

std::vector<Timing> Device::read_timings() {
  Core& core = *impl_->core;
  const PendingTimings& timings = core.timings;
  if (timings.spans.empty()) fail("gpu", "no timed recording was submitted");
  const auto ticks = timings.pairs ? read_ticks(core, timings) : std::vector<uint64_t>{};
  const double period = nanoseconds_per_tick(core);
  const auto to_ns = [period](uint64_t tick) {
    return period == 1.0 ? tick : static_cast<uint64_t>(static_cast<long double>(tick) * period);
  };
  std::vector<Timing> result;
  for (const auto& [first, last] : timings.spans) {
    if (first == last) {
      result.push_back({});  // nothing ran
    } else {
      result.push_back({to_ns(ticks[2 * first]), to_ns(ticks[2 * last - 1])});
    }
  }
  return result;
}

}  // namespace sluice::gpu
