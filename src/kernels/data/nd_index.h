// Index tuples of GatherND and ScatterND.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/data/common.h"

namespace sluice::kernels {

constexpr size_t kMaxTuple = 8;

// Mirrored by nd_index.wgsl.
struct alignas(16) NdParams {
  uint32_t count;         // units to move
  uint32_t inner;         // units of a slice
  uint32_t tuple;         // numbers of a tuple
  uint32_t batch_tuples;  // tuples of a batch
  uint32_t batch;         // units of data of a batch
  uint32_t missing, pad0, pad1;
  uint32_t dims[kMaxTuple], strides[kMaxTuple];  // of the indexed axes; strides in units
};
static_assert(sizeof(NdParams) == 96);

struct NdPlan {
  NdParams params;
  CopyUnit unit;
};

// Checks data, indices and slices (GatherND's output, ScatterND's updates) against one another.
NdPlan plan_nd(const Tensor& data, const Tensor& indices, const Tensor& slices, uint32_t batch_dims,
               std::string_view tag);

}  // namespace sluice::kernels
