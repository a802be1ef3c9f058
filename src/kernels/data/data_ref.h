// Plain definitions of this folder's operators: what the tests hold the kernels against. All values are doubles.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/data/reduce.h"
#include "kernels/data/scatter_elements.h"

namespace sluice::kernels::ref {

using Shape = std::vector<uint32_t>;

struct Array {
  Shape shape;
  std::vector<double> values;

  explicit Array(Shape s = {}, double value = 0);
  uint64_t size() const { return values.size(); }
  double& at(const Shape& c);
  double at(const Shape& c) const;
};

// Calls visit(c) for every coordinate below shape, in row-major order.
void for_each(const Shape& shape, const std::function<void(const Shape&)>& visit);

Array transpose(const Array& x, const Shape& perm);
Array slice(const Array& x, const std::vector<int32_t>& starts, const std::vector<int32_t>& steps, const Shape& shape);
Array concat(const std::vector<Array>& inputs, uint32_t axis);
Array expand(const Array& x, const Shape& shape);
Array tile(const Array& x, const Shape& shape);
Array pad(const Array& x, const std::vector<int32_t>& begins, const Shape& shape, double value);
Array trilu(const Array& x, int32_t k, bool upper);

// missing: what an index out of range gives.
Array gather(const Array& data, const Array& indices, uint32_t axis, double missing);
Array gather_elements(const Array& data, const Array& indices, uint32_t axis, double missing);
Array gather_nd(const Array& data, const Array& indices, uint32_t batch_dims, double missing);
Array scatter_elements(const Array& data, const Array& indices, const Array& updates, uint32_t axis,
                       ScatterReduction reduction);
Array scatter_nd(const Array& data, const Array& indices, const Array& updates);

struct BlockQuantized {
  Shape shape;                             // of data, the last dimension in bytes
  std::vector<uint8_t> data, zero_points;  // zero_points may be empty
  std::vector<double> scales;
  uint32_t bits = 4, block_size = 32;
};
Array gather_block_quantized(const BlockQuantized& table, const Array& indices);

Array reduce(const Array& x, const Shape& axes, ReduceOp op, bool ints);
Array arg_reduce(const Array& x, uint32_t axis, bool is_max, bool last);
Array cumsum(const Array& x, uint32_t axis, bool exclusive, bool reverse);

}  // namespace sluice::kernels::ref
