// What the planners of TopK share. topk.cpp checks and chooses; the others plan one variant each.
#pragma once

#include <string>

#include "kernels/common/bindings.h"
#include "kernels/topk/topk.h"

namespace sluice::kernels::topk {

inline constexpr const char* kTag = "topk";
inline constexpr uint32_t kWorkgroup = 256;
inline constexpr uint32_t kRankLength = 256;  // elements of a column
inline constexpr uint32_t kSelectBlock = 4096;
inline constexpr uint32_t kSelectMost = 1024;  // k
inline constexpr uint32_t kSortSize = 2048;    // pairs of a block in workgroup memory: 16 KiB
inline constexpr uint32_t kMergeRuns = 64;

struct alignas(16) Params {
  uint32_t columns, first_column, n, axis, stride, k, flip, blocks, size, out_n, shift, pad = 0;
};
static_assert(sizeof(Params) == 48);

// x as columns of n elements along the axis, `stride` apart.
struct Layout {
  uint32_t columns = 0, n = 0, stride = 1;
};

// The variants for the columns from params.first_column on.
void plan_rank(const TopKProblem& problem, Params params, Recorder& recorder);
void plan_sort(const TopKProblem& problem, Params params, Recorder& recorder);

// The other variants need scratch tensors: pairs of one column. They go over the columns in chunks that fit a binding.
void plan_select(const TopKProblem& problem, Params params, Recorder& recorder);
void plan_merge(const TopKProblem& problem, Params params, Recorder& recorder);
void plan_radix(const TopKProblem& problem, Params params, Recorder& recorder);

// A dispatch of topk_<name>.wgsl that reads x, or where it is there pairs from `source`, and with `last` writes the
// result.
Bindings bindings(const TopKProblem& problem, const std::string& name, const Tensor& source, bool last);
// Sorts columns of params.n <= kSortSize elements of x or `source` into the result.
void add_last_sort(const TopKProblem& problem, Params params, const Tensor& source, Recorder& recorder);

// Adds SUBGROUPS and SG: the fixed size of subgroups, where there is one that divides the workgroup.
void define_subgroups(Bindings& bindings, uint32_t workgroup, const gpu::Caps& caps);
uint32_t fixed_subgroup(const gpu::Caps& caps);  // 0 if there is none

// Columns whose scratch elements, `elements` of `bytes` each, fit in one binding.
uint32_t columns_of_chunk(const Params& params, uint64_t elements, uint64_t bytes, const gpu::Caps& caps);

}  // namespace sluice::kernels::topk
