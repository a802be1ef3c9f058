// The model's constants on the device: each uploaded once, straight from the mapped file, and shared by all programs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "gpu/device.h"
#include "graph/graph.h"
#include "lower/lowering.h"

namespace sluice::runtime {

// done and total bytes; called often, must be quick.
using Progress = std::function<void(uint64_t done, uint64_t total)>;

class Weights {
 public:
  // `graph` is the imported model: its constants, known by the address of their bytes, are the ones worth keeping.
  Weights(gpu::Device& device, const graph::Graph& graph);

  // Uploads every constant of `slots` that is not on the device yet.
  void upload(const std::vector<lower::SlotInfo>& slots, const Progress& progress);
  std::shared_ptr<gpu::Buffer> find(const lower::SlotInfo& slot) const;  // null if it is no constant of the model
  uint64_t bytes() const { return bytes_; }

 private:
  // What is kept of a constant of the model; null for others.
  struct Kept {
    uint64_t bytes = 0;
    std::map<kernels::Storage, std::shared_ptr<gpu::Buffer>> buffers;
  };
  const Kept* kept(const lower::SlotInfo& slot) const;
  std::vector<const lower::SlotInfo*> missing(const std::vector<lower::SlotInfo>& slots) const;

  gpu::Device& device_;
  std::unordered_map<const std::byte*, Kept> constants_;  // by address
  uint64_t bytes_ = 0;
};

// Calls `write(offset, bytes)` slice by slice with a constant's bytes in the slot's storage (int64 narrowed to 32 bits,
// float16 widened where the device has no f16), so that host memory stays small. Throws Error if an integer does not
// fit in 32 bits.
using ConstantSink = std::function<void(uint64_t offset, std::span<const std::byte> bytes)>;
void write_constant(const lower::SlotInfo& slot, const ConstantSink& write);

}  // namespace sluice::runtime
