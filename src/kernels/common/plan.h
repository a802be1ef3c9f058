// What a kernel family's plan function produces: dispatches over slots. Plans are pure data; the runtime (or a test)
// gives each slot a buffer and turns the dispatches into gpu::Steps.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "gpu/caps.h"
#include "gpu/device.h"
#include "shader/shader.h"

namespace sluice::kernels {

using Slot = uint32_t;  // the storage of a tensor
inline constexpr Slot kNoSlot = ~0u;

// How elements lie in GPU memory. float16 is kF16 where the device has shader-f16 and kF32 where not; int64, int32,
// int16, int8 and uint16 are kI32; uint32 and uint64 are kUnsigned (64-bit integers are computed in 32 bits: a value
// beyond them is refused when it is written); bool is kU32 (0 or 1); uint8 stays packed four to a word.
enum class Storage : uint8_t { kF32, kF16, kI32, kU32, kBytes, kUnsigned };

Storage storage_of(DType type, const gpu::Caps& caps);
const char* wgsl_type(Storage storage);  // "f32", "f16", "i32", "u32"; "u32" for unsigned and for packed bytes
uint64_t storage_bytes(Storage storage, uint64_t elements);  // rounded up to 4

// A tensor as kernels see it: concrete sizes, contiguous, row-major.
struct Tensor {
  Slot slot = kNoSlot;
  Storage storage = Storage::kF32;
  std::vector<uint32_t> shape;
  // A part of the slot: binds only its own bytes, from this byte on (a multiple of Caps::storage_alignment), instead of
  // all.
  std::optional<uint64_t> part = std::nullopt;

  explicit operator bool() const { return slot != kNoSlot; }
  uint32_t rank() const { return static_cast<uint32_t>(shape.size()); }
  uint64_t elements() const { return std::accumulate(shape.begin(), shape.end(), uint64_t{1}, std::multiplies<>()); }
  uint32_t last() const { return shape.empty() ? 1 : shape.back(); }
  uint64_t rows() const { return last() == 0 ? 0 : elements() / last(); }  // product of all but the last dimension
};

struct Operand {
  Slot slot = kNoSlot;
  gpu::Access access = gpu::Access::kRead;
  uint64_t offset = 0, size = 0;  // bytes of the slot; size 0: all of it
  // For profiles: bytes that the kernel touches, where that is less than all of those bound (of experts, only the
  // chosen ones); and whether it reads, too, what it is bound to write.
  std::optional<uint64_t> touched = std::nullopt;
  bool updated = false;
};
Operand operand(const Tensor& tensor, gpu::Access access);
inline Operand in(const Tensor& t) { return operand(t, gpu::Access::kRead); }
inline Operand out(const Tensor& t) { return operand(t, gpu::Access::kReadWrite); }
Operand touching(uint64_t bytes, Operand operand);

// What a workgroup of a dispatch takes.
struct Footprint {
  uint32_t invocations = 0;
  uint32_t bytes = 0;  // of workgroup memory, at most
};

struct Dispatch {
  std::string name;  // kernel and variant, for profiles: "matmul_nbits/gemv"
  shader::Shader shader;
  std::vector<Operand>
      operands;  // @group(0) @binding(i). One slot may not be bound both read and read-write in one dispatch.
  std::vector<std::byte> uniforms;  // @group(0) @binding(operands.size()), when not empty
  std::array<uint32_t, 3> groups = {1, 1, 1};
  Operand indirect;  // slot of three u32 counts, instead of groups, when set
  // Set where the dispatch may run side by side with others (lower/side_by_side.h). It is then worth while only for
  // work that a dispatch's own start is a good part of.
  std::optional<Footprint> footprint = std::nullopt;
  // Where the planner can do with other workgroups too: the same work in workgroups of that many invocations, if that
  // is possible.
  std::function<std::optional<Dispatch>(uint32_t invocations)> resized = nullptr;

  // Stores a params struct: trivially copyable, alignas(16), mirrored field by field in the WGSL.
  template <class Params>
  void set_uniforms(const Params& params) {
    static_assert(std::is_trivially_copyable_v<Params> && sizeof(Params) % 16 == 0);
    uniforms.resize(sizeof(Params));
    std::memcpy(uniforms.data(), &params, sizeof(Params));
  }
};

// Collects the dispatches of one or many plans, and the scratch tensors between them.
class Recorder {
 public:
  explicit Recorder(const gpu::Caps& caps, Slot first_scratch = 1u << 24) : caps_(caps), next_(first_scratch) {}
  const gpu::Caps& caps() const { return caps_; }
  Tensor scratch(Storage storage, std::vector<uint32_t> shape);
  void add(Dispatch dispatch) { dispatches_.push_back(std::move(dispatch)); }
  const std::vector<Dispatch>& dispatches() const { return dispatches_; }
  std::vector<Dispatch>& dispatches() { return dispatches_; }
  const std::vector<Tensor>& scratch_tensors() const { return scratch_; }  // slot = first_scratch + index

 private:
  const gpu::Caps& caps_;
  Slot next_;
  std::vector<Dispatch> dispatches_;
  std::vector<Tensor> scratch_;
};

// Workgroup counts for a one-dimensional range of `groups` workgroups; folds into y (and z) beyond the device's limit.
// The shader recovers the flat index as (id.z * n.y + id.y) * n.x + id.x of workgroup_id and num_workgroups, and must
// check it.
std::array<uint32_t, 3> fold_groups(uint64_t groups, const gpu::Caps& caps);

inline uint32_t ceil_div(uint32_t a, uint32_t b) { return a / b + (a % b != 0); }
inline uint64_t ceil_div64(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

}  // namespace sluice::kernels
