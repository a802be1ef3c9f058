#include "runtime/memory_need.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "runtime/memory_plan.h"
#include "runtime/program.h"

namespace sluice::runtime {

namespace {

// Caches, outputs and weights of several programs are the same ones: they are known by name, and by their bytes.
struct Shared {
  std::map<std::pair<const std::byte*, kernels::Storage>, uint64_t> weights;
  std::map<std::string, uint64_t> caches, outputs;
  std::vector<uint64_t> intermediates;  // largest first
};

template <class Map>
uint64_t sum(const Map& map) {
  uint64_t total = 0;
  for (const auto& entry : map) total += entry.second;
  return total;
}

void raise(uint64_t& size, uint64_t bytes) { size = std::max(size, bytes); }

// Returns the bytes of what is the program's own.
uint64_t add(const ProgramShape& program, Shared& shared) {
  uint64_t own = 0;
  for (const lower::SlotInfo& slot : program.slots) {
    const uint64_t bytes = kernels::storage_bytes(slot.tensor.storage, slot.tensor.elements());
    switch (slot.kind) {
      case lower::SlotKind::kConstant:
        raise(shared.weights[{slot.constant->bytes.data(), slot.tensor.storage}], bytes);
        break;
      case lower::SlotKind::kCache:
        raise(shared.caches[slot.name], bytes);
        break;
      case lower::SlotKind::kOutput:
        raise(shared.outputs[slot.name], bytes);
        break;
      case lower::SlotKind::kInput:
      case lower::SlotKind::kDerived:
        own += bytes;
        break;
      case lower::SlotKind::kIntermediate:
        break;
    }
  }
  return own;
}

}  // namespace

std::vector<uint64_t> intermediate_sizes(const ProgramShape& program) {
  std::unordered_map<kernels::Slot, uint64_t> sizes;
  for (const lower::SlotInfo& slot : program.slots) {
    if (slot.kind == lower::SlotKind::kIntermediate)
      sizes[slot.slot] = kernels::storage_bytes(slot.tensor.storage, slot.tensor.elements());
  }
  return plan_memory(program.dispatches, sizes).sizes;
}

MemoryNeed memory_need(std::span<const ProgramShape> programs, const gpu::Caps& caps) {
  Shared shared;
  MemoryNeed need;
  for (const ProgramShape& program : programs) {
    need.working += add(program, shared) + uniform_bytes(program.dispatches, caps);
    std::vector<uint64_t> sizes = intermediate_sizes(program);
    std::sort(sizes.rbegin(), sizes.rend());
    shared.intermediates.resize(std::max(shared.intermediates.size(), sizes.size()));
    for (size_t rank = 0; rank < sizes.size(); ++rank) raise(shared.intermediates[rank], sizes[rank]);
  }
  need.weights = sum(shared.weights);
  need.cache = sum(shared.caches);
  need.outputs = sum(shared.outputs);
  for (const uint64_t bytes : shared.intermediates) need.working += bytes;
  return need;
}

std::string size_text(uint64_t bytes) {
  if (bytes >= 1ull << 30) return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (1ull << 30));
  if (bytes >= 1u << 20) return fmt::format("{:.2f} MiB", static_cast<double>(bytes) / (1u << 20));
  return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
}

std::string arithmetic(const MemoryNeed& need) {
  return fmt::format("weights {} + cache {} + outputs {} + working memory {} = {}", size_text(need.weights),
                     size_text(need.cache), size_text(need.outputs), size_text(need.working), size_text(need.total()));
}

}  // namespace sluice::runtime
