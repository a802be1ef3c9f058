// Buffers, and writing to them from the host.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "gpu/core.h"
#include "gpu/transfers.h"

namespace sluice::gpu {
namespace {

constexpr uint64_t kLargeWrite = 1u << 20;   // smaller ones never wait
constexpr uint64_t kSlice = 16u << 20;       // bytes given to the library at once
constexpr uint64_t kFlushAfter = 64u << 20;  // bytes of large writes in flight before the previous batch is awaited

// The library keeps its own copy of written bytes until a submission has moved them: without this a model's weights
// would be held twice. At most two batches are alive.
void flush_large_writes(Core& core, uint64_t bytes) {
  core.written += bytes;
  if (core.written < kFlushAfter) return;
  core.written = 0;
  const auto index = core.submit({});
  auto flush = core.submitted_work_done();
  flush->submission = index;
  if (core.previous_flush) core.wait(*core.previous_flush);
  core.previous_flush = std::move(flush);
  core.check();
}

}  // namespace

Buffer::Buffer() = default;
Buffer::Buffer(Buffer&&) noexcept = default;
Buffer& Buffer::operator=(Buffer&&) noexcept = default;
Buffer::~Buffer() = default;

Buffer Device::create_buffer(uint64_t bytes, const std::string& label) {
  constexpr WGPUBufferUsage kUsage =
      WGPUBufferUsage_Storage | WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst | WGPUBufferUsage_Indirect;
  Buffer buffer;
  buffer.size_ = std::max<uint64_t>(4, (bytes + 3) / 4 * 4);
  buffer.impl_ = std::make_unique<Buffer::Impl>();
  buffer.impl_->core = impl_->core;
  buffer.impl_->label = label;
  buffer.impl_->handle = impl_->core->create_buffer(buffer.size_, kUsage, label);
  return buffer;
}

Buffer Device::create_uniform_buffer(uint64_t bytes, const std::string& label) {
  Buffer buffer;
  buffer.size_ = std::max<uint64_t>(16, (bytes + 15) / 16 * 16);
  buffer.impl_ = std::make_unique<Buffer::Impl>();
  buffer.impl_->core = impl_->core;
  buffer.impl_->label = label;
  buffer.impl_->handle = impl_->core->create_buffer(
      buffer.size_, WGPUBufferUsage_Uniform | WGPUBufferUsage_CopyDst | WGPUBufferUsage_CopySrc, label);
  return buffer;
}

void Device::write(const Buffer& buffer, uint64_t offset, std::span<const std::byte> bytes) {
  Core& core = *impl_->core;
  core.check();
  if (!buffer) fail("gpu", "write to no buffer");
  if (offset % 4) fail("gpu", "write at offset {}, no multiple of 4", offset);
  const uint64_t padded = (bytes.size() + 3) / 4 * 4;
  if (offset > buffer.size() || padded > buffer.size() - offset) {
    fail("gpu", "write of {} bytes at {} ends beyond the buffer's {} bytes", bytes.size(), offset, buffer.size());
  }
  const TransferNote note(false, buffer.impl_->label, bytes.size());
  const WGPUBuffer handle = buffer.impl_->handle.get();
  const uint64_t whole = bytes.size() / 4 * 4;
  for (uint64_t at = 0; at < whole; at += kSlice) {
    const uint64_t size = std::min(kSlice, whole - at);
    core.library.wgpuQueueWriteBuffer(core.queue.get(), handle, offset + at, bytes.data() + at, size);
    if (bytes.size() >= kLargeWrite) flush_large_writes(core, size);
  }
  if (whole == bytes.size()) return;
  std::byte tail[4] = {};
  std::memcpy(tail, bytes.data() + whole, bytes.size() - whole);
  core.library.wgpuQueueWriteBuffer(core.queue.get(), handle, offset + whole, tail, 4);
}

}  // namespace sluice::gpu
