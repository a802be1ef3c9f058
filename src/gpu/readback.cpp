// Copies to the host: staging buffers are recycled, and nothing waits before Readback::wait().
#include <bit>

#include "base/error.h"
#include "gpu/core.h"
#include "gpu/index_watch.h"
#include "gpu/transfers.h"

namespace sluice::gpu {

Readback::Impl::~Impl() {
  if (!staging) return;
  // Unmapping also cancels a map that is still under way; the queue's order makes reuse safe.
  core->library.wgpuBufferUnmap(staging.get());
  core->give_staging(capacity, std::move(staging));
}

Readback::Readback() = default;
Readback::Readback(Readback&&) noexcept = default;
Readback& Readback::operator=(Readback&&) noexcept = default;
Readback::~Readback() = default;

bool Readback::ready() {
  if (!impl_) fail("gpu", "empty readback");
  if (impl_->data) return true;
  Core& core = *impl_->core;
  if (!impl_->mapped->done) core.poll();
  core.check();
  if (!impl_->mapped->done) return false;
  if (!impl_->mapped->error.empty()) fail("gpu", "{}", impl_->mapped->error);
  impl_->data = static_cast<const std::byte*>(
      core.library.wgpuBufferGetConstMappedRange(impl_->staging.get(), 0, impl_->capacity));
  if (!impl_->data) fail("gpu", "readback of {} bytes cannot be mapped", impl_->size);
  if (core.watch) core.watch->check(core, impl_->data + impl_->note);
  return true;
}

void Readback::wait() {
  if (ready()) return;
  ++impl_->core->counters.waits;
  impl_->core->wait(*impl_->mapped);
  if (!ready()) fail("gpu", "readback did not finish");
}

std::span<const std::byte> Readback::bytes() const {
  if (!impl_ || !impl_->data) fail("gpu", "readback is not ready");
  return {impl_->data + impl_->skip, impl_->size};
}

Readback Device::submit_and_read(Commands&& commands, BufferRange range) {
  Core& core = *impl_->core;
  if (!range.buffer || !*range.buffer) fail("gpu", "readback of no buffer");
  const uint64_t total = range.buffer->size();
  const uint64_t size = range.size ? range.size : total - std::min(range.offset, total);
  if (range.offset > total || size > total - range.offset) {
    fail("gpu", "readback of {} bytes at {} ends beyond the buffer's {} bytes", size, range.offset, total);
  }
  Readback readback;
  readback.impl_ = std::make_unique<Readback::Impl>();
  Readback::Impl& r = *readback.impl_;
  r.core = impl_->core;
  r.skip = range.offset % 4;
  r.size = size;
  const uint64_t copied = (r.skip + size + 3) / 4 * 4;
  r.note = copied;
  r.capacity = std::bit_ceil(std::max<uint64_t>(copied + (core.watch ? IndexWatch::kBytes : 0), 256));
  r.staging = core.take_staging(r.capacity);
  commands.impl_->close_pass();
  core.library.wgpuCommandEncoderCopyBufferToBuffer(commands.impl_->encoder.get(), range.buffer->impl_->handle.get(),
                                                    range.offset - r.skip, r.staging.get(), 0, copied);
  if (core.watch)
    core.library.wgpuCommandEncoderCopyBufferToBuffer(commands.impl_->encoder.get(), core.watch->buffer(), 0,
                                                      r.staging.get(), r.note, IndexWatch::kBytes);
  const WGPUSubmissionIndex submission = impl_->run(std::move(commands));
  const TransferNote note(true, range.buffer->impl_->label, size);
  r.mapped = core.map(r.staging.get(), WGPUMapMode_Read, r.capacity, submission);
  return readback;
}

std::vector<std::byte> Device::read(const Buffer& buffer, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return {};
  Readback readback = submit_and_read(Commands(*this), {&buffer, offset, bytes});
  readback.wait();
  return {readback.bytes().begin(), readback.bytes().end()};
}

}  // namespace sluice::gpu
