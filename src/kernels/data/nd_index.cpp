#include "kernels/data/nd_index.h"

#include "kernels/common/strides.h"

namespace sluice::kernels {

NdPlan plan_nd(const Tensor& data, const Tensor& indices, const Tensor& slices, uint32_t batch_dims,
               std::string_view tag) {
  check_same_storage(data, slices, tag);
  check_indices(indices, tag);
  check_size(data, tag);
  check_size(slices, tag);
  const uint32_t tuple = indices.rank() == 0 ? 0 : indices.last();
  if (tuple < 1 || tuple > kMaxTuple || batch_dims + tuple > data.rank() || batch_dims >= indices.rank()) {
    fail(tag, "indices of shape {} with {} batch axes do not fit data of shape {} (tuples of 1 to {} are supported)",
         shape_text(indices.shape), batch_dims, shape_text(data.shape), kMaxTuple);
  }
  std::vector<uint32_t> shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), data.shape.begin() + batch_dims + tuple, data.shape.end());
  for (uint32_t d = 0; d < batch_dims; ++d) {
    if (indices.shape[d] != data.shape[d]) {
      fail(tag, "batch axis {} must agree: {} and {}", d, indices.shape[d], data.shape[d]);
    }
  }
  if (slices.shape != shape) {
    fail(tag, "slices must have shape {}, got {}", shape_text(shape), shape_text(slices.shape));
  }
  if (slices.elements() == 0) return {{}, {}};
  const auto strides = row_major_strides(data.shape);
  const uint64_t inner = static_cast<uint64_t>(strides[batch_dims + tuple - 1]);
  const CopyUnit unit = copy_unit(data.storage, inner, tag);
  NdParams params{};
  params.count = static_cast<uint32_t>(slices.elements() / unit.elements);
  params.inner = static_cast<uint32_t>(inner / unit.elements);
  params.tuple = tuple;
  uint64_t batches = 1;
  for (uint32_t d = 0; d < batch_dims; ++d) batches *= data.shape[d];
  params.batch_tuples = static_cast<uint32_t>(indices.rows() / batches);
  params.batch = static_cast<uint32_t>(data.elements() / batches / unit.elements);
  params.missing = missing_value_bits(data.storage, unit);
  for (uint32_t k = 0; k < tuple; ++k) {
    params.dims[k] = data.shape[batch_dims + k];
    params.strides[k] = static_cast<uint32_t>(strides[batch_dims + k] / unit.elements);
  }
  return {params, unit};
}

}  // namespace sluice::kernels
