#include "runtime/weights.h"

#include <algorithm>
#include <vector>

#include "runtime/host.h"

namespace sluice::runtime {

namespace {

constexpr uint64_t kSliceBytes = 32u << 20;

}  // namespace

void write_constant(gpu::Device& device, const gpu::Buffer& buffer, const lower::SlotInfo& slot,
                    const std::function<void(uint64_t)>& written) {
  const graph::Constant& constant = *slot.constant;
  uint64_t target_offset = 0;
  for (uint64_t offset = 0; offset < constant.bytes.size(); offset += kSliceBytes) {
    const auto slice = constant.bytes.subspan(offset, std::min<uint64_t>(kSliceBytes, constant.bytes.size() - offset));
    if (same_layout(constant.dtype, slot.tensor.storage)) {
      device.write(buffer, target_offset, slice);
      target_offset += slice.size();
    } else {
      const std::vector<std::byte> converted = to_device_layout(slice, constant.dtype, slot.tensor.storage);
      device.write(buffer, target_offset, converted);
      target_offset += converted.size();
    }
    written(slice.size());
  }
}

Weights::Weights(gpu::Device& device, const graph::Graph& graph) : device_(device) {
  for (const graph::Value& value : graph.values) {
    if (value.constant) model_constants_[value.constant->bytes.data()] = value.constant->bytes.size();
  }
}

bool Weights::is_model_constant(const lower::SlotInfo& slot) const {
  if (slot.kind != lower::SlotKind::kConstant) return false;
  const auto found = model_constants_.find(slot.constant->bytes.data());
  return found != model_constants_.end() && found->second == slot.constant->bytes.size();
}

void Weights::upload(const std::vector<lower::SlotInfo>& slots, const Progress& progress) {
  std::vector<const lower::SlotInfo*> missing;
  uint64_t total = 0, done = 0;
  for (const lower::SlotInfo& slot : slots) {
    if (!is_model_constant(slot) || find(slot)) continue;
    missing.push_back(&slot);
    total += slot.constant->bytes.size();
  }
  uint64_t unsubmitted = 0;
  for (const lower::SlotInfo* slot : missing) {
    const uint64_t size = kernels::storage_bytes(slot->tensor.storage, slot->tensor.elements());
    auto buffer = std::make_shared<gpu::Buffer>(device_.create_buffer(size, slot->name));
    write_constant(device_, *buffer, *slot, [&](uint64_t bytes) {
      done += bytes;
      unsubmitted += bytes;
      if (unsubmitted >=
          kSliceBytes) {  // the library frees its staging memory only once the writes are submitted and done
        device_.submit(gpu::Commands(device_));
        device_.wait_idle();
        unsubmitted = 0;
      }
      if (progress) progress(done, total);
    });
    buffers_[{slot->constant->bytes.data(), slot->tensor.storage}] = std::move(buffer);
    bytes_ += size;
  }
}

std::shared_ptr<gpu::Buffer> Weights::find(const lower::SlotInfo& slot) const {
  if (!is_model_constant(slot)) return nullptr;
  const auto found = buffers_.find({slot.constant->bytes.data(), slot.tensor.storage});
  return found == buffers_.end() ? nullptr : found->second;
}

}  // namespace sluice::runtime
