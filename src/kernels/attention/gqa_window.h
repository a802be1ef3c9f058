// GroupQueryAttention over a windowed cache whose layout the caller sees (sliding_window_cache = 1).
#pragma once

#include "kernels/attention/gqa.h"

namespace sluice::kernels {

// The caches of the problem are present_key and present_value (B, Nkv, C, D), C at least the window W; past_key and
// past_value have their shape and lie in other slots. With T = seqlens_k + 1 and G = C - W + 1, rows [0, L(T)) of a
// cache hold the newest L(T) positions in order: L(T) = T up to T = C, else T - G * ceil((T - C) / G). Later rows
// become 0. attention_bias (.., .., S, total) is indexed by absolute position. Refuses output_qk, a cache shorter than
// the window, and all that plan_group_query_attention refuses.
void plan_windowed_group_query_attention(const GroupQueryAttentionProblem& problem, const Tensor& past_key,
                                         const Tensor& past_value, Recorder& recorder);

}  // namespace sluice::kernels
