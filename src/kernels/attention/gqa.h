// GroupQueryAttention (com.microsoft): per-head norm and rotary embedding of the new queries and keys, append to the
// cache, and causal attention with a sliding window, soft cap, bias and sinks. How it is computed: gqa.cpp.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Sizes: B batch, S new tokens, Nq and Nkv heads of D elements, C capacity of the cache, R = rotary dimension <= D.
// All float tensors are kF32 or kF16; query, key, value, the caches and output share one storage, and so do cos and
// sin.
struct GroupQueryAttentionProblem {
  Tensor query;       // (B, S, Nq*D), or packed (B, S, (Nq + 2*Nkv)*D) when key and value are empty
  Tensor key, value;  // (B, S, Nkv*D), or (B, 0, Nkv*D): the caches hold every key already and are only read
  Tensor key_cache, value_cache;  // (B, Nkv, C, D). Rows [0, past) hold the past; rows [past, past+S) are written;
                                  // later ones are undefined. C must be at least the largest total length
  Tensor seqlens;                 // kI32 (B) or (B, 1): total length minus 1. past = max(0, seqlens + 1 - S)
  Tensor cos_cache, sin_cache;    // (max, R/2), with do_rotary
  Tensor position_ids;    // optional kI32 (B, S). As in ONNX Runtime a first prompt (past 0, S > 1) counts on from its
                          // very first element, which is every other call's elements too unless tokens form a tree
  Tensor attention_bias;  // optional (1 or B, 1 or Nq, S, T), T >= total length; added after scale and soft cap
  Tensor head_sink;       // optional (Nq): one more logit in every softmax denominator
  Tensor q_norm_weight,
      k_norm_weight;  // optional (D), both or none: RMS norm of every head before the rotary embedding
  Tensor gate;        // optional (B, S, Nq*D): the output is multiplied by its sigmoid
  Tensor output;      // (B, S, Nq*D)
  Tensor output_qk;   // optional (B, Nq, S, T), C >= T: scores after soft cap and bias, or weights, 0 where a row does
                      // not see a key

  uint32_t num_heads = 0, kv_num_heads = 0;
  float scale = 0;    // 0: 1/sqrt(D)
  float softcap = 0;  // 0: none; else score -> softcap * tanh(score / softcap)
  bool do_rotary = false;
  bool rotary_interleaved = false;
  int32_t local_window_size = -1;  // keys a query sees, itself among them; -1: all
  bool smooth_softmax = false;     // a sink of 0 for every head; excludes head_sink
  float qk_norm_epsilon = 1e-6f;
  bool causal = true;            // false: every query sees all keys; excludes a window
  bool qk_weights = false;       // output_qk holds weights
  bool exact_positions = false;  // position_ids holds for first prompts too
  uint32_t expected_keys = 0;    // of a sequence at most, 0: C. For the choice of kernels alone: more are right too
};

// Refuses: D not a multiple of 8, Nq no multiple of Nkv, mixed storages, more heads or rows than a dispatch can count,
// and shapes that do not agree. Dispatch sizes depend on C, S and expected_keys, never
// on the length. Heads of more than 256,
// output_qk and attention that is not causal go through the general kernels of attention.h.
void plan_group_query_attention(const GroupQueryAttentionProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
