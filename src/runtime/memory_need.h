// What programs will hold on the device, added up before anything is made: a pure function of their plans.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gpu/caps.h"
#include "lower/lowering.h"

namespace sluice::runtime {

// Bytes. Working memory is everything that is neither weight nor cache nor output: intermediates, inputs, uniforms.
struct MemoryNeed {
  uint64_t weights = 0, cache = 0, outputs = 0, working = 0;
  uint64_t total() const { return weights + cache + outputs + working; }
};

struct ProgramShape {
  const std::vector<kernels::Dispatch>& dispatches;
  const std::vector<lower::SlotInfo>& slots;
};

// Sizes of the buffers that the program's intermediates share.
std::vector<uint64_t> intermediate_sizes(const ProgramShape& program);

// Of programs of one model that run one after another: weights, caches, intermediates and outputs are shared, inputs
// and uniforms are each program's own.
MemoryNeed memory_need(std::span<const ProgramShape> programs, const gpu::Caps& caps);

// "12.10 GiB", "3.20 MiB", "0.5 KiB".
std::string size_text(uint64_t bytes);

// "weights 12.10 GiB + cache 0.20 GiB + outputs 0.8 MiB + working memory 0.05 GiB = 12.35 GiB"
std::string arithmetic(const MemoryNeed& need);

}  // namespace sluice::runtime
