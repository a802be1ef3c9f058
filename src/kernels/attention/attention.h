// Attention in its general form: what the fast path of GroupQueryAttention leaves out, MultiHeadAttention and ai.onnx's
// Attention. Scores are kept in scratch memory, a part of the query rows at a time. How it is computed: attention.cpp.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// Vectors of D neighbouring elements, one for each (batch, token, head), anywhere in a tensor: strides in elements.
struct HeadsView {
  Tensor tensor;
  uint32_t offset = 0, batch_stride = 0, token_stride = 0, head_stride = 0;
};
HeadsView token_major(const Tensor& t, uint32_t heads);  // (B, S, N*D)
HeadsView head_major(const Tensor& t);                   // (B, N, S, D)

// B batch, S query tokens, N query heads, Nkv key heads (N a multiple), T keys, D and Dv head sizes; all above 0.
struct AttentionSizes {
  uint32_t batch = 1, seq = 1, heads = 1, kv_heads = 1, keys = 1, key_size = 1, value_size = 1;
};

// Where the token that query row s holds lies among the keys: at past + s.
enum class PastOf : uint8_t {
  kNumber,          // AttentionProblem::past
  kLengths,         // length - S, at least 0
  kLengthsAnySign,  // length - S: rows that lie before the first key see nothing when causal
};

// What AttentionProblem::qk receives. A key that a row does not see is `hidden` in kMasked, and 0 in kWeights.
enum class QkOutput : uint8_t { kScaled, kCapped, kMasked, kWeights };

struct AttentionProblem {
  AttentionSizes sizes;
  HeadsView query;    // of D elements
  Tensor key, value;  // (B, Nkv, C, D) and (B, Nkv, C, Dv), C >= T; rows from T on are not looked at
  HeadsView output;   // of Dv elements; any tensor but the inputs

  Tensor lengths;           // optional kI32 (B): keys of each sequence, less length_bias; those beyond are hidden
  int32_t length_bias = 0;  // added to each of the lengths
  bool causal = false;      // row s sees keys up to past + s + ahead
  PastOf past_of = PastOf::kNumber;
  uint32_t past = 0;
  uint32_t ahead = 0;
  uint32_t window = 0;  // causal: the last keys that a row sees, at most so many; 0: all

  float scale = 1;
  float softcap = 0;  // 0: none
  Tensor mask;        // optional (1 or B, 1 or N, 1 or S, 1 or M), M <= T: kF32, kF16 added, kU32 hides where it is 0.
                      // Keys from M on are hidden, unless M is 1 and T is not
  Tensor padding;     // optional kI32: (B) numbers of keys, or (B, T), (B, S, T) with 0 where padding_score is added
  float padding_score = 0;
  Tensor sink;          // optional (N): one more logit in every softmax denominator
  bool smooth = false;  // a sink of 0; excludes sink

  Tensor qk;  // optional (B, N, S, T)
  QkOutput qk_output = QkOutput::kScaled;
  float hidden = 0;
};

// Query, key, value, output and qk share one storage, kF32 or kF16. A row that sees no key is 0. Softmax and sums are
// float32. Refuses shapes and storages that do not agree, and tensors of more than 2^32-1 elements.
void plan_attention(const AttentionProblem& problem, Recorder& recorder);

// Rows of past, then new rows plus bias -> cache. Which is (B, N, C, D); past (B, N, P, D), both of the new rows'
// storage; bias (N*D elements from bias_offset on). P + new rows <= C. Past may be empty, and new_rows may be 0.
struct KvConcatProblem {
  HeadsView rows;  // of D elements, new_rows of them in each batch and head
  uint32_t new_rows = 0;
  Tensor bias;
  uint32_t bias_offset = 0;
  Tensor past;
  Tensor cache;
};
void plan_kv_concat(const KvConcatProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
