// TopK (ai.onnx): the k largest or smallest elements along an axis, with their indices.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// kRank: each element of a column of up to 256 counts those before it.
// kSelect: finds the k-th element of blocks of up to 4096 by radix selection and keeps what lies before it, again and
// again until one block is left, which is ranked (k up to 256) or sorted; k up to 1024, columns of any size.
// kSort: sorts a column of up to 2048 in workgroup memory.
// kMerge: sorts runs of up to 2048, of which there may be 64, and merges them all at once by binary search.
// kRadix: a stable radix sort of whole columns through global memory: any size and k.
enum class TopKVariant : uint8_t { kAuto, kRank, kSelect, kSort, kMerge, kRadix };

// Equal elements are ordered by their index; -0 equals +0. NaN is larger than any number and equal to NaN, whatever its
// sign (ONNX leaves it open and ONNX Runtime's order is accidental; this is PyTorch's).
struct TopKProblem {
  Tensor x;        // any storage but kU32 (bool), any rank >= 1, less than 2^31 elements along the axis
  Tensor values;   // like x with k in place of the axis
  Tensor indices;  // kI32, the shape of values
  uint32_t axis = 0;
  uint32_t k = 0;
  bool largest = true;
  bool sorted = true;  // without it the order is free; this implementation sorts all the same
  TopKVariant variant = TopKVariant::kAuto;
};

// Throws Error("topk") for a bad axis, k beyond the axis, other types, a variant that does not take the size, 2^32 or
// more elements. Empty values: nothing is recorded.
void plan_topk(const TopKProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
