#include "runtime/program.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/log.h"
#include "runtime/memory_plan.h"

namespace sluice::runtime {

namespace {

// All sizes travel in one buffer, each dispatch's at an offset that a uniform binding may begin at.
uint64_t aligned_uniforms(const kernels::Dispatch& dispatch, const gpu::Caps& caps) {
  return kernels::ceil_div64(dispatch.uniforms.size(), caps.uniform_alignment) * caps.uniform_alignment;
}

gpu::PipelineRequest pipeline_request(const kernels::Dispatch& dispatch) {
  gpu::PipelineRequest request{dispatch.shader, {}, !dispatch.uniforms.empty()};
  for (const kernels::Operand& operand : dispatch.operands) request.storage.push_back(operand.access);
  return request;
}

// Orders dispatches by their pipelines.
struct ByPipeline {
  bool operator()(const kernels::Dispatch* a, const kernels::Dispatch* b) const {
    if (const auto order = a->shader <=> b->shader; order != 0) return order < 0;
    if (a->uniforms.empty() != b->uniforms.empty()) return a->uniforms.empty();
    return std::ranges::lexicographical_compare(a->operands, b->operands, {}, &kernels::Operand::access,
                                                &kernels::Operand::access);
  }
};

// The pipeline of each dispatch. Layers repeat their dispatches, and few pipelines do for all: each is asked for once.
class Pipelines {
 public:
  explicit Pipelines(const std::vector<kernels::Dispatch>& dispatches) {
    for (const kernels::Dispatch& dispatch : dispatches) of_.push_back(&*pipelines_.try_emplace(&dispatch).first);
  }

  void compile_ahead(gpu::Device& device) const {
    std::vector<gpu::PipelineRequest> requests;
    for (const auto& [dispatch, pipeline] : pipelines_) requests.push_back(pipeline_request(*dispatch));
    device.compile_ahead(requests);
  }

  const gpu::Pipeline& of(size_t dispatch, gpu::Device& device) {
    auto& [first, pipeline] = *of_[dispatch];
    if (pipeline == nullptr) {
      const gpu::PipelineRequest request = pipeline_request(*first);
      pipeline = &device.pipeline(request.shader, request.storage, request.uniforms);
    }
    return *pipeline;
  }

 private:
  using Map = std::map<const kernels::Dispatch*, const gpu::Pipeline*, ByPipeline>;
  Map pipelines_;  // by the first dispatch of each
  std::vector<Map::value_type*> of_;
};

}  // namespace

std::vector<std::shared_ptr<gpu::Buffer>> BufferPool::take(const std::vector<uint64_t>& sizes) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sizes[a] > sizes[b]; });
  std::vector<std::shared_ptr<gpu::Buffer>> result(sizes.size());
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const uint64_t need = sizes[order[rank]];
    if (rank == buffers_.size()) buffers_.push_back(nullptr);
    std::shared_ptr<gpu::Buffer>& slot = buffers_[rank];
    if (!slot || slot->size() < need) slot = std::make_shared<gpu::Buffer>(device_.create_buffer(need, "intermediate"));
    result[order[rank]] = slot;
  }
  return result;
}

uint64_t BufferPool::bytes() const {
  return std::accumulate(buffers_.begin(), buffers_.end(), uint64_t{0},
                         [](uint64_t sum, const auto& b) { return sum + b->size(); });
}

Program::Program(gpu::Device& device, const ProgramParts& parts, const Weights& weights, BufferPool& pool)
    : buffers_(parts.external), nodes_(parts.nodes) {
  place_owned(device, parts, weights);
  place_intermediates(parts, pool);
  build_steps(device, parts);
  log(Component::kRuntime, LogLevel::kDebug, "program built",
      {{"dispatches", steps_.size()}, {"slots", parts.slots.size()}, {"uniform_bytes", uniforms_.size()}});
}

void Program::place_owned(gpu::Device& device, const ProgramParts& parts, const Weights& weights) {
  for (const lower::SlotInfo& slot : parts.slots) {
    if (buffers_.contains(slot.slot) || slot.kind == lower::SlotKind::kIntermediate) continue;
    if (auto weight = weights.find(slot)) {
      buffers_[slot.slot] = std::move(weight);
      continue;
    }
    const uint64_t bytes = kernels::storage_bytes(slot.tensor.storage, slot.tensor.elements());
    auto buffer = std::make_shared<gpu::Buffer>(device.create_buffer(bytes, slot.name));
    if (slot.constant) write_constant(slot, [&](uint64_t offset, auto part) { device.write(*buffer, offset, part); });
    buffers_[slot.slot] = std::move(buffer);
  }
}

void Program::place_intermediates(const ProgramParts& parts, BufferPool& pool) {
  std::unordered_map<kernels::Slot, uint64_t> sizes;
  for (const lower::SlotInfo& slot : parts.slots) {
    if (slot.kind != lower::SlotKind::kIntermediate || buffers_.contains(slot.slot)) continue;
    sizes[slot.slot] = std::max<uint64_t>(4, kernels::storage_bytes(slot.tensor.storage, slot.tensor.elements()));
  }
  const MemoryPlan plan = plan_memory(parts.dispatches, sizes);
  const auto pooled = pool.take(plan.sizes);
  for (const auto& [slot, index] : plan.buffer_of) buffers_[slot] = pooled[index];
}

uint64_t uniform_bytes(std::span<const kernels::Dispatch> dispatches, const gpu::Caps& caps) {
  uint64_t total = 0;
  for (const kernels::Dispatch& dispatch : dispatches) total += aligned_uniforms(dispatch, caps);
  return std::max<uint64_t>(total, 16);
}

gpu::Step Program::make_step(gpu::Device& device, const kernels::Dispatch& dispatch, const gpu::Pipeline& pipeline,
                             uint64_t uniforms_at) const {
  const auto range = [&](const kernels::Operand& operand) {
    return gpu::BufferRange{buffers_.at(operand.slot).get(), operand.offset, operand.size};
  };
  std::vector<gpu::BufferRange> storage;
  for (const kernels::Operand& operand : dispatch.operands) storage.push_back(range(operand));
  gpu::StepDescriptor step;
  step.pipeline = &pipeline;
  step.storage = storage;
  if (!dispatch.uniforms.empty()) step.uniforms = {&uniforms_, uniforms_at, dispatch.uniforms.size()};
  std::copy(dispatch.groups.begin(), dispatch.groups.end(), step.groups);
  if (dispatch.indirect.slot != kernels::kNoSlot) step.indirect = {buffers_.at(dispatch.indirect.slot).get(), 0, 12};
  step.label = dispatch.name;
  return device.create_step(step);
}

void Program::build_steps(gpu::Device& device, const ProgramParts& parts) {
  Pipelines pipelines(parts.dispatches);
  pipelines.compile_ahead(device);
  uniforms_ = device.create_uniform_buffer(uniform_bytes(parts.dispatches, device.caps()), "uniforms");
  std::vector<std::byte> bytes(uniforms_.size());
  steps_.reserve(parts.dispatches.size());
  uint64_t offset = 0;
  for (size_t i = 0; i < parts.dispatches.size(); ++i) {
    const kernels::Dispatch& dispatch = parts.dispatches[i];
    try {
      steps_.push_back(make_step(device, dispatch, pipelines.of(i, device), offset));
    } catch (const Error& error) {
      throw Error("program", fmt::format("{} ({}): {}", parts.nodes[i], dispatch.name, error.what()));
    }
    std::copy(dispatch.uniforms.begin(), dispatch.uniforms.end(), bytes.begin() + static_cast<ptrdiff_t>(offset));
    offset += aligned_uniforms(dispatch, device.caps());
  }
  device.write(uniforms_, 0, bytes);
}

}  // namespace sluice::runtime
