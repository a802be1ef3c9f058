// A compiled graph: a flat list of steps over buffers that are all in place. Running it is a replay: no graph walk, no
// allocation, no map.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "gpu/device.h"
#include "lower/lowering.h"
#include "runtime/weights.h"

namespace sluice::runtime {

// Buffers for intermediates that all programs of a model share, since they run one after another on one queue. Sorted
// by size; a program keeps the ones it was built with alive.
class BufferPool {
 public:
  explicit BufferPool(gpu::Device& device) : device_(device) {}
  // Buffers of at least these sizes, all different.
  std::vector<std::shared_ptr<gpu::Buffer>> take(const std::vector<uint64_t>& sizes);
  uint64_t bytes() const;

 private:
  gpu::Device& device_;
  std::vector<std::shared_ptr<gpu::Buffer>> buffers_;  // largest first
};

// Bytes of the buffer that holds the uniforms of all dispatches.
uint64_t uniform_bytes(std::span<const kernels::Dispatch> dispatches, const gpu::Caps& caps);

using SlotBuffers = std::unordered_map<kernels::Slot, std::shared_ptr<gpu::Buffer>>;

// Everything a program is built from.
struct ProgramParts {
  const std::vector<kernels::Dispatch>& dispatches;
  const std::vector<std::string>& nodes;  // source node of each dispatch
  const std::vector<lower::SlotInfo>& slots;
  const SlotBuffers& external;  // buffers that the caller owns: caches, inputs, state
};

class Program {
 public:
  // Throws Error if a pipeline does not compile, a tensor exceeds the device's limits, or memory runs out.
  Program(gpu::Device& device, const ProgramParts& parts, const Weights& weights, BufferPool& pool);

  std::span<const gpu::Step> steps() const { return steps_; }
  const std::vector<std::string>& nodes() const { return nodes_; }  // of each step
  const gpu::Buffer& buffer(kernels::Slot slot) const { return *buffers_.at(slot); }
  bool has(kernels::Slot slot) const { return buffers_.contains(slot); }

 private:
  void place_intermediates(const ProgramParts& parts, BufferPool& pool);
  void place_owned(gpu::Device& device, const ProgramParts& parts, const Weights& weights);
  void build_steps(gpu::Device& device, const ProgramParts& parts);
  gpu::Step make_step(gpu::Device& device, const kernels::Dispatch& dispatch, const gpu::Pipeline& pipeline,
                      uint64_t uniforms_at) const;

  SlotBuffers buffers_;
  gpu::Buffer uniforms_;
  std::vector<gpu::Step> steps_;
  std::vector<std::string> nodes_;
};

}  // namespace sluice::runtime
