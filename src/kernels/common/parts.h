// Tensors that are too large for one binding, taken in parts: ranges of units (rows, experts) that follow one another.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "kernels/common/plan.h"

namespace sluice::kernels {

struct Part {
  uint32_t first = 0, count = 0;  // units
};

// The fewest equal ranges of `units` for which no tensor's part is over the limit of a binding or buffer, and each
// begins where a binding may. Tensors hold `units` units each; empty ones count for nothing. One part if all fit as
// they are, and also if not even the smallest range would: the limit is then found and named like any other tensor's.
// Parts begin at multiples of `step`, a power of two: Caps::storage_alignment for ranges of tensors that are not
// listed.
std::vector<Part> parts_of(uint32_t units, std::initializer_list<const Tensor*> tensors, const gpu::Caps& caps,
                           uint64_t step = 1);

// The units of a part, of a tensor of `units`; an empty tensor stays empty. The first dimension shrinks if it counts
// the units, else the part is one-dimensional.
Tensor part_of(const Tensor& tensor, uint32_t units, Part part);

}  // namespace sluice::kernels
