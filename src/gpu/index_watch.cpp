#include "gpu/index_watch.h"

#include <cstring>

#include "base/error.h"
#include "shader/index_checks.h"

namespace sluice::gpu {

IndexWatch::IndexWatch(Core& core)
    : note_(core.create_buffer(kBytes, WGPUBufferUsage_Storage | WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst,
                               "index watch")) {}

std::string IndexWatch::rewrite(const std::string& name, const std::string& wgsl, uint32_t binding) {
  const std::lock_guard lock(mutex_);
  auto checked = shader::check_indices(wgsl, binding, static_cast<uint32_t>(places_.size()) + 1);
  for (const std::string& place : checked.places) places_.push_back(name + ": " + place);
  return std::move(checked.wgsl);
}

void IndexWatch::check(Core& core, const std::byte* note) {
  uint32_t number = 0;
  static_assert(sizeof number == kBytes);
  std::memcpy(&number, note, kBytes);
  if (number == 0) return;
  constexpr uint32_t kNone = 0;
  core.library.wgpuQueueWriteBuffer(core.queue.get(), note_.get(), 0, &kNone, kBytes);
  const std::lock_guard lock(mutex_);
  fail("shader", "an index is out of range in {}", places_.at(number - 1));
}

}  // namespace sluice::gpu
