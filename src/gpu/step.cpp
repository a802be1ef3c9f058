// Steps: every rule of WebGPU that a dispatch could break is checked here, once, with our own words.
#include "base/error.h"
#include "gpu/core.h"
#include "gpu/index_watch.h"

namespace sluice::gpu {

Step::Step() = default;
Step::Step(Step&&) noexcept = default;
Step& Step::operator=(Step&&) noexcept = default;
Step::~Step() = default;

namespace {

struct BindingRule {
  uint32_t alignment;
  uint64_t limit;
  const char* kind;
};

uint64_t checked_size(const BufferRange& range, const BindingRule& rule, const std::string& label) {
  if (!range.buffer || !*range.buffer) fail("gpu", "{}: {} has no buffer", label, rule.kind);
  const uint64_t total = range.buffer->size();
  if (range.offset > total)
    fail("gpu", "{}: {} begins at {}, beyond the buffer's {} bytes", label, rule.kind, range.offset, total);
  const uint64_t size = range.size ? range.size : total - range.offset;
  if (size == 0) fail("gpu", "{}: {} is empty", label, rule.kind);
  if (size > total - range.offset) {
    fail("gpu", "{}: {} of {} bytes at {} ends beyond the buffer's {} bytes", label, rule.kind, size, range.offset,
         total);
  }
  if (range.offset % rule.alignment)
    fail("gpu", "{}: {} begins at {}, no multiple of {}", label, rule.kind, range.offset, rule.alignment);
  if (size % 4) fail("gpu", "{}: {} of {} bytes, no multiple of 4", label, rule.kind, size);
  if (size > rule.limit) {
    fail("gpu", "{}: {} of {} bytes is larger than the device's limit of {} for a binding", label, rule.kind, size,
         rule.limit);
  }
  return size;
}

bool overlap(const BufferRange& a, const BufferRange& b) {
  const auto end = [](const BufferRange& r) { return r.size ? r.offset + r.size : r.buffer->size(); };
  return a.buffer == b.buffer && a.offset < end(b) && b.offset < end(a);
}

// WebGPU counts a whole buffer as used once, so the two ranges need not even touch for it to refuse them.
void check_aliases(const StepDescriptor& descriptor) {
  const auto& access = descriptor.pipeline->storage;
  for (size_t i = 0; i < access.size(); ++i) {
    if (access[i] == Access::kReadWrite && descriptor.storage[i].buffer == descriptor.indirect.buffer) {
      fail("gpu", "{}: binding {} writes the buffer of the indirect counts", descriptor.label, i);
    }
    for (size_t j = 0; j < i; ++j) {
      const auto& a = descriptor.storage[i];
      const auto& b = descriptor.storage[j];
      if (a.buffer != b.buffer || (access[i] == Access::kRead && access[j] == Access::kRead)) continue;
      if (access[i] != access[j])
        fail("gpu", "{}: bindings {} and {} read and write the same buffer", descriptor.label, j, i);
      if (overlap(a, b))
        fail("gpu", "{}: bindings {} and {} write overlapping ranges of a buffer", descriptor.label, j, i);
    }
  }
}

void check_shape(const StepDescriptor& descriptor, const Caps& caps) {
  const std::string& label = descriptor.label;
  if (!descriptor.pipeline) fail("gpu", "{}: no pipeline", label);
  const Pipeline& pipeline = *descriptor.pipeline;
  const bool has_uniforms = descriptor.uniforms.buffer != nullptr;
  if (descriptor.storage.size() != pipeline.storage.size() || has_uniforms != pipeline.uniforms) {
    fail("gpu", "{}: {} wants {} storage buffers and {}, got {} and {}", label, pipeline.name, pipeline.storage.size(),
         pipeline.uniforms ? "uniforms" : "no uniforms", descriptor.storage.size(), has_uniforms ? "uniforms" : "none");
  }
  for (const uint32_t groups : descriptor.groups) {
    if (groups > caps.max_workgroups) {
      fail("gpu", "{}: {} workgroups in one dimension, the device's limit is {}", label, groups, caps.max_workgroups);
    }
  }
}

Handle<WGPUBindGroup> bind(Core& core, const Pipeline& pipeline, const std::vector<WGPUBindGroupEntry>& entries,
                           const std::string& label) {
  WGPUBindGroupDescriptor bindings = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
  bindings.label = view(label);
  bindings.layout = pipeline.layout.get();
  bindings.entryCount = entries.size();
  bindings.entries = entries.data();
  ErrorScope scope(core, {WGPUErrorFilter_Validation});
  Handle<WGPUBindGroup> group{core.library.wgpuDeviceCreateBindGroup(core.device.get(), &bindings),
                              core.library.wgpuBindGroupRelease};
  if (const std::string error = scope.finish(); !error.empty() || !group)
    fail("gpu", "{}: no bind group: {}", label, error);
  ++core.counters.bind_groups_created;
  return group;
}

}  // namespace

Step Device::create_step(const StepDescriptor& descriptor) {
  Core& core = *impl_->core;
  const Caps& caps = core.info.caps;
  const std::string& label = descriptor.label;
  check_shape(descriptor, caps);
  const Pipeline& pipeline = *descriptor.pipeline;
  const bool has_uniforms = pipeline.uniforms;
  std::vector<WGPUBindGroupEntry> entries;
  const auto add = [&](const BufferRange& range, const BindingRule& rule) {
    WGPUBindGroupEntry entry = WGPU_BIND_GROUP_ENTRY_INIT;
    entry.size = checked_size(range, rule, label);
    entry.binding = static_cast<uint32_t>(entries.size());
    entry.buffer = range.buffer->impl_->handle.get();
    entry.offset = range.offset;
    entries.push_back(entry);
  };
  for (const BufferRange& range : descriptor.storage)
    add(range, {caps.storage_alignment, caps.max_binding, "a storage binding"});
  if (has_uniforms) add(descriptor.uniforms, {caps.uniform_alignment, 65536, "the uniforms"});
  if (pipeline.watched) {
    WGPUBindGroupEntry entry = WGPU_BIND_GROUP_ENTRY_INIT;
    entry.binding = static_cast<uint32_t>(entries.size());
    entry.buffer = core.watch->buffer();
    entry.size = IndexWatch::kBytes;
    entries.push_back(entry);
  }
  check_aliases(descriptor);

  Step step;
  step.label = label;
  step.impl_ = std::make_unique<Step::Impl>();
  step.impl_->core = impl_->core;
  step.impl_->pipeline = pipeline.handle.get();
  std::copy(descriptor.groups, descriptor.groups + 3, step.impl_->groups);
  if (descriptor.indirect.buffer) {
    const uint64_t size = checked_size(descriptor.indirect, {4, ~uint64_t{0}, "the indirect counts"}, label);
    if (size < 12) fail("gpu", "{}: indirect counts need 12 bytes, got {}", label, size);
    const WGPUBuffer indirect = descriptor.indirect.buffer->impl_->handle.get();
    core.library.wgpuBufferAddRef(indirect);
    step.impl_->indirect = {indirect, core.library.wgpuBufferRelease};
    step.impl_->indirect_offset = descriptor.indirect.offset;
  }
  step.impl_->bindings = bind(core, pipeline, entries, label);
  return step;
}

}  // namespace sluice::gpu
