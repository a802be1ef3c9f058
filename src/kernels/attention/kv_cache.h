// Copies between key/value caches of different capacity.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// past (B, Nkv, P, D) -> rows [0, P) of cache (B, Nkv, C, D), C >= P, in another slot and of the same storage (kF32,
// kF16). The other rows of cache are left as they are. P = 0 records nothing.
void plan_kv_copy(const Tensor& past, const Tensor& cache, Recorder& recorder);

// A step's cache in a buffer of its own: cache (B, Nkv, C, D) = the first seqlens[b] + 1 - new_rows rows of past (B,
// Nkv, P, D), P <= C, then zeros. past may be empty; seqlens kI32 (B).
struct KvBeginProblem {
  Tensor past, cache, seqlens;
  uint32_t new_rows = 0;
};
void plan_kv_begin(const KvBeginProblem& problem, Recorder& recorder);

// from (B, Nkv, C1, D) -> to (B, Nkv, C2, D): the first min(C1, C2) rows of every head. Other slot, same storage.
void plan_kv_resize(const Tensor& from, const Tensor& to, Recorder& recorder);

}  // namespace sluice::kernels
