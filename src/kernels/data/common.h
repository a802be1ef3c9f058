// What the planners of this folder share: raw copies move words, whatever the element type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// The piece that a thread moves: `elements` elements as one WGSL value of `type`.
struct CopyUnit {
  uint32_t elements = 1;
  const char* type = "u32";
};

// The largest unit, up to 16 bytes, that `granularity` elements are a multiple of: the greatest common divisor of every
// run's length, step and offset. Throws under `tag` for bytes that do not move in whole words.
CopyUnit copy_unit(Storage storage, uint64_t granularity, std::string_view tag);

// The bits that stand for an element that an index out of range asked for, as the kernels' fill_value takes them: NaN,
// or 0.
uint32_t missing_value_bits(Storage storage, const CopyUnit& unit);

// Adds a dispatch of one thread for each of `threads`, which the shader knows as WG-sized workgroups; nothing if there
// are none.
void add_threads(Dispatch dispatch, uint64_t threads, Recorder& recorder);

// Throws under `tag` if two tensors' storages or counts differ, or a tensor is empty of a slot.
void check_same_storage(const Tensor& a, const Tensor& b, std::string_view tag);
void check_count(const Tensor& tensor, uint64_t elements, std::string_view what, std::string_view tag);
void check_indices(const Tensor& indices, std::string_view tag);
// Whether the reductions compute in the tensor's storage: kF32, kF16 and kI32.
bool is_float_or_int(const Tensor& tensor);
// Indices are 32-bit in shaders.
void check_size(const Tensor& tensor, std::string_view tag);

}  // namespace sluice::kernels
