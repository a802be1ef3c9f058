#include "kernels/data/common.h"

#include "kernels/common/strides.h"

namespace sluice::kernels {
namespace {

constexpr uint32_t kWorkgroup = 256;

uint32_t element_bytes(Storage storage) { return storage == Storage::kBytes ? 1 : storage == Storage::kF16 ? 2 : 4; }

}  // namespace

CopyUnit copy_unit(Storage storage, uint64_t granularity, std::string_view tag) {
  const uint32_t bytes = element_bytes(storage);
  const std::pair<uint32_t, const char*> units[] = {{16, "vec4<u32>"}, {8, "vec2<u32>"}, {4, "u32"}};
  for (const auto& [size, type] : units) {
    if (granularity % (size / bytes) == 0) return {size / bytes, type};
  }
  if (storage == Storage::kF16) return {1, "f16"};
  fail(tag, "uint8 data must move in multiples of 4 bytes here, got runs of {}", granularity);
}

uint32_t missing_value_bits(Storage storage, const CopyUnit& unit) {
  if (storage == Storage::kF32) return 0x7fc00000u;
  if (storage != Storage::kF16) return 0;
  return unit.elements == 1 ? 0x7fc00000u : 0x7e007e00u;
}

void add_threads(Dispatch dispatch, uint64_t threads, Recorder& recorder) {
  if (threads == 0) return;
  dispatch.shader.defines.emplace_back("WG", kWorkgroup);
  dispatch.groups = fold_groups(ceil_div64(threads, kWorkgroup), recorder.caps());
  recorder.add(std::move(dispatch));
}

void check_same_storage(const Tensor& a, const Tensor& b, std::string_view tag) {
  if (a.storage != b.storage) fail(tag, "input and output must have one element type");
  if (a.slot == b.slot) fail(tag, "input and output must not share storage");
}

void check_count(const Tensor& tensor, uint64_t elements, std::string_view what, std::string_view tag) {
  if (tensor.elements() != elements) {
    fail(tag, "{} must have {} elements, got shape {}", what, elements, shape_text(tensor.shape));
  }
}

bool is_float_or_int(const Tensor& tensor) {
  return tensor.storage == Storage::kF32 || tensor.storage == Storage::kF16 || tensor.storage == Storage::kI32;
}

void check_indices(const Tensor& indices, std::string_view tag) {
  if (indices.storage != Storage::kI32) fail(tag, "indices must be integers");
}

void check_size(const Tensor& tensor, std::string_view tag) {
  if (tensor.elements() > 0xffffffffu) fail(tag, "a tensor of {} elements is beyond 2^32 - 1", tensor.elements());
}

}  // namespace sluice::kernels
