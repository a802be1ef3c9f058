#include "runtime/weights.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "base/mapped_file.h"
#include "runtime/host.h"

namespace sluice::runtime {

namespace {

constexpr uint64_t kSliceBytes = 32u << 20;
constexpr uint64_t kAheadBytes = 256u << 20;

// Asks the system for pages of the mapped file a while before they are copied: a disk then works meanwhile.
class ReadAhead {
 public:
  explicit ReadAhead(const std::vector<const lower::SlotInfo*>& tensors) : tensors_(tensors) {}

  // `done` bytes of all tensors have been copied.
  void advance(uint64_t done) {
    for (; next_ < tensors_.size() && asked_ < done + kAheadBytes; ++next_) {
      const auto bytes = tensors_[next_]->constant->bytes;
      read_ahead(bytes);
      asked_ += bytes.size();
    }
  }

 private:
  const std::vector<const lower::SlotInfo*>& tensors_;
  size_t next_ = 0;
  uint64_t asked_ = 0;
};

}  // namespace

void write_constant(const lower::SlotInfo& slot, const ConstantSink& write) {
  const graph::Constant& constant = *slot.constant;
  uint64_t target_offset = 0;
  for (uint64_t offset = 0; offset < constant.bytes.size(); offset += kSliceBytes) {
    const auto slice = constant.bytes.subspan(offset, std::min<uint64_t>(kSliceBytes, constant.bytes.size() - offset));
    if (same_layout(constant.dtype, slot.tensor.storage)) {
      write(target_offset, slice);
      target_offset += slice.size();
    } else {
      const std::vector<std::byte> converted = to_device_layout(slice, constant.dtype, slot.tensor.storage);
      write(target_offset, converted);
      target_offset += converted.size();
    }
  }
}

Weights::Weights(gpu::Device& device, const graph::Graph& graph) : device_(device) {
  for (const graph::Value& value : graph.values) {
    if (value.constant) constants_[value.constant->bytes.data()].bytes = value.constant->bytes.size();
  }
}

const Weights::Kept* Weights::kept(const lower::SlotInfo& slot) const {
  if (slot.kind != lower::SlotKind::kConstant) return nullptr;
  const auto found = constants_.find(slot.constant->bytes.data());
  return found != constants_.end() && found->second.bytes == slot.constant->bytes.size() ? &found->second : nullptr;
}

// In the file's order, so that a disk is read from front to back.
std::vector<const lower::SlotInfo*> Weights::missing(const std::vector<lower::SlotInfo>& slots) const {
  std::vector<const lower::SlotInfo*> result;
  for (const lower::SlotInfo& slot : slots) {
    const Kept* constant = kept(slot);
    if (constant != nullptr && !constant->buffers.contains(slot.tensor.storage)) result.push_back(&slot);
  }
  std::sort(result.begin(), result.end(), [](const lower::SlotInfo* a, const lower::SlotInfo* b) {
    return std::less<>()(a->constant->bytes.data(), b->constant->bytes.data());
  });
  return result;
}

void Weights::upload(const std::vector<lower::SlotInfo>& slots, const Progress& progress) {
  const std::vector<const lower::SlotInfo*> tensors = missing(slots);
  if (tensors.empty()) return;
  uint64_t total = 0, done = 0;
  for (const lower::SlotInfo* slot : tensors) total += slot->constant->bytes.size();
  ReadAhead ahead(tensors);
  gpu::Uploader uploader(device_);
  for (const lower::SlotInfo* slot : tensors) {
    const uint64_t size = kernels::storage_bytes(slot->tensor.storage, slot->tensor.elements());
    auto buffer = std::make_shared<gpu::Buffer>(device_.create_buffer(size, slot->name));
    write_constant(*slot, [&](uint64_t offset, std::span<const std::byte> bytes) {
      ahead.advance(done + offset);
      uploader.write(*buffer, offset, bytes);
      if (progress) progress(std::min(total, done + offset + bytes.size()), total);
    });
    done += slot->constant->bytes.size();
    constants_.at(slot->constant->bytes.data()).buffers[slot->tensor.storage] = std::move(buffer);
    bytes_ += size;
  }
  uploader.finish();
  if (progress) progress(total, total);
}

std::shared_ptr<gpu::Buffer> Weights::find(const lower::SlotInfo& slot) const {
  const Kept* constant = kept(slot);
  if (constant == nullptr) return nullptr;
  const auto found = constant->buffers.find(slot.tensor.storage);
  return found == constant->buffers.end() ? nullptr : found->second;
}

}  // namespace sluice::runtime
