// Weights on their way to the device. The library's own way (wgpuQueueWriteBuffer) makes a new staging buffer for each
// write and copies on one thread; here staging buffers are reused and threads share each copy.
#include <algorithm>
#include <cstring>
#include <deque>
#include <thread>

#include "base/error.h"
#include "gpu/core.h"

namespace sluice::gpu {
namespace {

constexpr uint64_t kStagingBytes = 32u << 20;
constexpr size_t kStagings = 4;
constexpr uint64_t kBytesOfThread = 2u << 20;  // less is not worth a thread
constexpr size_t kMaxThreads = 8;

void copy_on_threads(std::byte* to, std::span<const std::byte> from) {
  const size_t most = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxThreads);
  const size_t count = std::clamp<size_t>(from.size() / kBytesOfThread, 1, most);
  const size_t share = (from.size() / count + 4095) / 4096 * 4096;
  const auto copy = [&](size_t i) {
    const size_t begin = std::min(from.size(), i * share), end = std::min(from.size(), begin + share);
    std::memcpy(to + begin, from.data() + begin, end - begin);
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < count; ++i) threads.emplace_back(copy, i);
  copy(0);
  for (std::thread& thread : threads) thread.join();
}

struct Staging {
  CountedBuffer buffer;
  std::shared_ptr<Completion> mapping;  // of the bytes that it last sent
};

}  // namespace

struct Uploader::Impl {
  struct Copy {
    WGPUBuffer to;
    uint64_t from_offset, to_offset, bytes;
  };

  std::shared_ptr<Core> core;
  std::deque<Staging> stagings;  // the first was sent first; the last is being filled while `data` is set
  std::byte* data = nullptr;
  uint64_t filled = 0;
  std::vector<Copy> copies;

  // A mapped staging buffer at the back of the queue.
  void open() {
    if (stagings.size() < kStagings) {
      constexpr WGPUBufferUsage kUsage = WGPUBufferUsage_MapWrite | WGPUBufferUsage_CopySrc;
      stagings.push_back({core->create_buffer(kStagingBytes, kUsage, "upload"), nullptr});
      stagings.back().mapping = core->map(stagings.back().buffer.get(), WGPUMapMode_Write, kStagingBytes, 0);
    } else {
      std::rotate(stagings.begin(), stagings.begin() + 1, stagings.end());
    }
    const Staging& staging = stagings.back();
    core->wait(*staging.mapping);
    core->check();
    if (!staging.mapping->error.empty()) fail("gpu", "upload: {}", staging.mapping->error);
    data = static_cast<std::byte*>(core->library.wgpuBufferGetMappedRange(staging.buffer.get(), 0, kStagingBytes));
    if (!data) fail("gpu", "upload: {} bytes cannot be mapped", kStagingBytes);
    filled = 0;
  }

  void send() {
    if (!data) return;
    const auto& library = core->library;
    Staging& staging = stagings.back();
    library.wgpuBufferUnmap(staging.buffer.get());
    data = nullptr;
    Handle<WGPUCommandEncoder> encoder(library.wgpuDeviceCreateCommandEncoder(core->device.get(), nullptr),
                                       library.wgpuCommandEncoderRelease);
    for (const Copy& copy : copies) {
      library.wgpuCommandEncoderCopyBufferToBuffer(encoder.get(), staging.buffer.get(), copy.from_offset, copy.to,
                                                   copy.to_offset, copy.bytes);
    }
    copies.clear();
    const Handle<WGPUCommandBuffer> commands(library.wgpuCommandEncoderFinish(encoder.get(), nullptr),
                                             library.wgpuCommandBufferRelease);
    core->check();
    const auto index = core->submit({commands.get()});
    staging.mapping = core->map(staging.buffer.get(), WGPUMapMode_Write, kStagingBytes, index);
  }
};

Uploader::Uploader(Device& device) : impl_(std::make_unique<Impl>()) { impl_->core = device.impl_->core; }
Uploader::~Uploader() = default;

void Uploader::write(const Buffer& buffer, uint64_t offset, std::span<const std::byte> bytes) {
  if (!buffer) fail("gpu", "upload to no buffer");
  const uint64_t padded = (bytes.size() + 3) / 4 * 4;
  if (offset % 4) fail("gpu", "upload at offset {}, no multiple of 4", offset);
  if (offset > buffer.size() || padded > buffer.size() - offset ||
      (padded != bytes.size() && offset + padded != buffer.size()))
    fail("gpu", "upload of {} bytes at {} does not fit the buffer's {} bytes", bytes.size(), offset, buffer.size());
  Impl& u = *impl_;
  for (uint64_t at = 0; at < bytes.size();) {
    if (!u.data) u.open();
    const uint64_t size = std::min(kStagingBytes - u.filled, bytes.size() - at);
    copy_on_threads(u.data + u.filled, bytes.subspan(at, size));
    const uint64_t moved = (size + 3) / 4 * 4;
    std::memset(u.data + u.filled + size, 0, moved - size);
    u.copies.push_back({buffer.impl_->handle.get(), u.filled, offset + at, moved});
    u.filled += moved;
    at += size;
    if (u.filled == kStagingBytes) u.send();
  }
}

void Uploader::finish() { impl_->send(); }

}  // namespace sluice::gpu
