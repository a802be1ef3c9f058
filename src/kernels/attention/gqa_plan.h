// Inside of the GroupQueryAttention planner: checked sizes, the parameters that its kernels share, and its steps.
#pragma once

#include "kernels/attention/gqa.h"
#include "kernels/common/bindings.h"

namespace sluice::kernels::gqa {

struct Sizes {
  uint32_t batch, seq, heads, kv_heads, group, head_size, capacity;
  uint32_t rotary_half;  // 0 without rotation
  bool packed;
  bool appends;  // false where key and value have no rows
};

// Throws unless every shape, storage and attribute of the problem agrees with the others.
Sizes check(const GroupQueryAttentionProblem& problem);

// Mirrors Params of gqa_params.wgsl.
struct alignas(16) Params {
  uint32_t seq, heads, kv_heads, group, capacity, q_stride, kv_stride, k_offset, v_offset, positions, half;
  uint32_t units = 0, rows, blocks = 0, splits = 0, workgroups = 0, window;
  uint32_t bias_batch = 0, bias_head = 0, bias_row = 0;
  float scale, softcap, epsilon;
  uint32_t pad0 = 0;
};
static_assert(sizeof(Params) == 96);

// What follows from the problem alone, for queries as they come in.
Params params_of(const GroupQueryAttentionProblem& problem, const Sizes& sizes);

// Which heads a dispatch norms and rotates (values are only stored).
struct Turning {
  bool q, k, v;
};
// What gqa_turn.wgsl needs, for kernels whose workgroups have `lanes` threads a head.
void bind_turning(const GroupQueryAttentionProblem& problem, const Sizes& sizes, Turning turning, uint32_t lanes,
                  Bindings& bindings);

// Norm, rotation and append. Returns the queries that attention reads: a scratch tensor (B, S, Nq*D), or the problem's
// own query where nothing changes it.
Tensor plan_append(const GroupQueryAttentionProblem& problem, const Sizes& sizes, Recorder& recorder);

enum class Kernel { kDecode, kPrefill, kPrefillMatrices };

// How attention is computed: a pure function of problem and device, or chosen by a test.
struct Variant {
  Kernel kernel;
  bool turns;          // decode: norm, rotation and append are part of it
  bool subgroups;      // decode
  uint32_t rows;       // of a block
  uint32_t workgroup;  // invocations
  uint32_t lanes;      // decode: of a team
  uint32_t joined;     // decode: teams that meet within a subgroup
  uint32_t keys;       // of a tile
  uint32_t splits;
};

Variant choose(const GroupQueryAttentionProblem& problem, const Sizes& sizes, const gpu::Caps& caps);
// A decode variant for blocks of `rows` (1, 2 or 4), still without splits.
Variant decode_variant(const Sizes& sizes, uint32_t rows, bool turns, const gpu::Caps& caps);
// A variant of one of the two prefill kernels, still without splits.
Variant prefill_variant(Kernel kernel, const gpu::Caps& caps);
// Whether the device binds enough buffers for norm, rotation and append within the decode kernel.
bool can_turn(const GroupQueryAttentionProblem& problem, const Sizes& sizes, const gpu::Caps& caps);

void plan_attend(const GroupQueryAttentionProblem& problem, const Sizes& sizes, const Variant& variant,
                 Recorder& recorder);

}  // namespace sluice::kernels::gqa
