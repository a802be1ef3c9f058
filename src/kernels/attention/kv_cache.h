// Copies between key/value caches of different capacity.
#pragma once

#include "kernels/common/plan.h"

namespace sluice::kernels {

// past (B, Nkv, P, D) -> rows [0, P) of cache (B, Nkv, C, D), C >= P, in another slot and of the same storage (kF32,
// kF16). The other rows of cache are left as they are. P = 0 records nothing.
void plan_kv_copy(const Tensor& past, const Tensor& cache, Recorder& recorder);

// from (B, Nkv, C1, D) -> to (B, Nkv, C2, D): the first min(C1, C2) rows of every head. Other slot, same storage.
void plan_kv_resize(const Tensor& from, const Tensor& to, Recorder& recorder);

}  // namespace sluice::kernels
