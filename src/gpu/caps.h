// What a device can do: the facts that kernel planners read. A planner is a pure function of (shapes, Caps).
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::gpu {

// A product of matrices that a subgroup computes as one operation: m x k by k x n of `operands`, added up as `sums`.
struct SubgroupMatrix {
  enum class Type : uint8_t { kF32 = 1, kF16, kU32, kI32, kU8, kI8 };  // numbered as in Dawn's header
  Type operands = Type::kF16, sums = Type::kF32;
  uint32_t m = 0, n = 0, k = 0;
  bool operator==(const SubgroupMatrix&) const = default;
};

struct Caps {
  bool f16 = false;        // shader-f16: f16 arithmetic and storage. Without it float16 tensors are kept as float32.
  bool subgroups = false;  // subgroup operations
  uint32_t subgroup_min = 0,
           subgroup_max = 0;  // invocations; both 0 without subgroups; kernels must be right for any size between
  bool dot4i8 = false;        // dot4I8Packed (packed_4x8_integer_dot_product)
  std::vector<SubgroupMatrix> subgroup_matrices;  // offered shapes; none without subgroups, f16 or the feature
  bool timestamps = false;                        // timestamp queries at pass boundaries
  bool fusion = true;              // false: nodes are not joined (a user's or test's choice, not the device's)
  bool software = false;           // a CPU adapter (lavapipe, SwiftShader)
  uint32_t max_invocations = 256;  // per workgroup
  uint32_t max_workgroup_size[3] = {256, 256, 64};
  uint32_t max_workgroups = 65535;         // per dimension of a dispatch
  uint32_t max_workgroup_storage = 16384;  // bytes
  uint32_t max_storage_buffers = 8;        // per shader stage
  uint64_t max_binding = 128u << 20;       // bytes of one storage binding
  uint64_t max_buffer = 256u << 20;        // bytes of one buffer
  uint32_t storage_alignment = 256;        // bytes, of a storage binding's offset
  uint32_t uniform_alignment = 256;
  bool operator==(const Caps&) const = default;
};

// Features that a user or a test switches off: the device then reports them as absent everywhere.
struct CapsOverride {
  bool no_f16 = false;
  bool no_subgroups = false;
  bool no_dot4i8 = false;
  bool no_subgroup_matrix = false;
  bool no_timestamps = false;
  bool no_fusion = false;
  bool small_limits = false;            // WebGPU's guaranteed default limits instead of the adapter's
  uint64_t max_binding = ~uint64_t{0};  // bytes: the limit is no larger

  // Reads SLUICE_DISABLE, a comma-separated list of f16, subgroups, dot4i8, subgroup-matrix, timestamps, fusion,
  // large-limits, and SLUICE_MAX_BINDING, bytes. Throws on another word, and on less than 4096 bytes.
  static CapsOverride from_environment();
};

}  // namespace sluice::gpu
