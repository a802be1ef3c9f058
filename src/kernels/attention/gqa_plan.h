// Inside of the GroupQueryAttention planner: checked sizes, and the two steps.
#pragma once

#include "kernels/attention/gqa.h"

namespace sluice::kernels::gqa {

struct Sizes {
  uint32_t batch, seq, heads, kv_heads, group, head_size, capacity;
  uint32_t rotary_half;  // 0 without rotation
  bool packed;
  bool appends;  // false where key and value have no rows
};

// Throws unless every shape, storage and attribute of the problem agrees with the others.
Sizes check(const GroupQueryAttentionProblem& problem);

// Norm, rotation and append. Returns the queries that attention reads: a scratch tensor (B, S, Nq*D), or the problem's
// own query where nothing changes it.
Tensor plan_append(const GroupQueryAttentionProblem& problem, const Sizes& sizes, Recorder& recorder);

// Attention of the (already rotated) queries over the caches.
void plan_attend(const GroupQueryAttentionProblem& problem, const Sizes& sizes, const Tensor& query,
                 Recorder& recorder);

}  // namespace sluice::kernels::gqa
