// TopK (ai.onnx): the k largest or smallest elements along an axis, with their indices.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// kRank: each element of a column of up to 256 counts those before it. kSort: sorts blocks of 2048 in workgroup memory
// and keeps the first k of each, again and again until one block is left; k up to 1024, or columns of one block.
// kRadix: a stable radix sort of whole columns through global memory: any size.
enum class TopKVariant : uint8_t { kAuto, kRank, kSort, kRadix };

// Equal elements are ordered by their index; -0 equals +0. NaN is larger than any number and equal to NaN, whatever its
// sign (ONNX leaves it open and ONNX Runtime's order is accidental; this is PyTorch's).
struct TopKProblem {
  Tensor x;        // f32, f16 or i32, any rank >= 1
  Tensor values;   // like x with k in place of the axis
  Tensor indices;  // kI32, the shape of values
  uint32_t axis = 0;
  uint32_t k = 0;
  bool largest = true;
  bool sorted = true;  // without it the order is free; this implementation sorts all the same
  TopKVariant variant = TopKVariant::kAuto;
};

// Throws Error("topk") for a bad axis, k beyond the axis, other types. Empty values: nothing is recorded.
void plan_topk(const TopKProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
