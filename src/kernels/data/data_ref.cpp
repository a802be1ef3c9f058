#include "kernels/data/data_ref.h"

#include <cmath>

namespace sluice::kernels::ref {
namespace {

uint64_t product(const Shape& shape) {
  uint64_t p = 1;
  for (const uint32_t d : shape) p *= d;
  return p;
}

size_t flat(const Shape& shape, const Shape& c) {
  size_t at = 0;
  for (size_t d = 0; d < shape.size(); ++d) at = at * shape[d] + c[d];
  return at;
}

Shape part(const Shape& c, size_t first, size_t last) {
  return {c.begin() + static_cast<long>(first), c.begin() + static_cast<long>(last)};
}

Shape joined(std::initializer_list<Shape> parts) {
  Shape all;
  for (const Shape& p : parts) all.insert(all.end(), p.begin(), p.end());
  return all;
}

// An index counted from either end; -1 if it is out of range.
int64_t resolve(double index, uint32_t size) {
  const auto i = static_cast<int64_t>(index) + (index < 0 ? size : 0);
  return i >= 0 && i < size ? i : -1;
}

// The coordinate that a tuple of indices names, empty if one is out of range.
Shape named(const Array& indices, const Shape& tuple, const Shape& shape, size_t first) {
  Shape c;
  const uint32_t numbers = indices.shape.back();
  for (uint32_t k = 0; k < numbers; ++k) {
    const int64_t i = resolve(indices.at(joined({tuple, {k}})), shape[first + k]);
    if (i < 0) return {};
    c.push_back(static_cast<uint32_t>(i));
  }
  return c;
}

double combine(ScatterReduction reduction, double a, double b) {
  const bool nan = std::isnan(a) || std::isnan(b);
  switch (reduction) {
    case ScatterReduction::kNone:
      return b;
    case ScatterReduction::kAdd:
      return a + b;
    case ScatterReduction::kMul:
      return a * b;
    case ScatterReduction::kMin:
      return nan ? std::nan("") : std::fmin(a, b);
    case ScatterReduction::kMax:
      return nan ? std::nan("") : std::fmax(a, b);
  }
  return b;
}

}  // namespace

Array::Array(Shape s, double value) : shape(std::move(s)), values(product(shape), value) {}
double& Array::at(const Shape& c) { return values[flat(shape, c)]; }
double Array::at(const Shape& c) const { return values[flat(shape, c)]; }

void for_each(const Shape& shape, const std::function<void(const Shape&)>& visit) {
  const uint64_t count = product(shape);
  Shape c(shape.size());
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t rest = i;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) c[d] = static_cast<uint32_t>(rest % shape[d]);
    visit(c);
  }
}

Array transpose(const Array& x, const Shape& perm) {
  Shape shape;
  for (const uint32_t d : perm) shape.push_back(x.shape[d]);
  Array y(shape);
  for_each(shape, [&](const Shape& c) {
    Shape from(c.size());
    for (size_t d = 0; d < c.size(); ++d) from[perm[d]] = c[d];
    y.at(c) = x.at(from);
  });
  return y;
}

Array slice(const Array& x, const std::vector<int32_t>& starts, const std::vector<int32_t>& steps, const Shape& shape) {
  Array y(shape);
  for_each(shape, [&](const Shape& c) {
    Shape from(c.size());
    for (size_t d = 0; d < c.size(); ++d)
      from[d] = static_cast<uint32_t>(starts[d] + static_cast<int32_t>(c[d]) * steps[d]);
    y.at(c) = x.at(from);
  });
  return y;
}

Array concat(const std::vector<Array>& inputs, uint32_t axis) {
  Shape shape = inputs[0].shape;
  shape[axis] = 0;
  for (const Array& x : inputs) shape[axis] += x.shape[axis];
  Array y(shape);
  uint32_t start = 0;
  for (const Array& x : inputs) {
    for_each(x.shape, [&](const Shape& c) {
      Shape to = c;
      to[axis] += start;
      y.at(to) = x.at(c);
    });
    start += x.shape[axis];
  }
  return y;
}

Array expand(const Array& x, const Shape& shape) {
  Array y(shape);
  const size_t missing = shape.size() - x.shape.size();
  for_each(shape, [&](const Shape& c) {
    Shape from(x.shape.size());
    for (size_t d = 0; d < from.size(); ++d) from[d] = x.shape[d] == 1 ? 0 : c[d + missing];
    y.at(c) = x.at(from);
  });
  return y;
}

Array tile(const Array& x, const Shape& shape) {
  Array y(shape);
  for_each(shape, [&](const Shape& c) {
    Shape from(c.size());
    for (size_t d = 0; d < c.size(); ++d) from[d] = c[d] % x.shape[d];
    y.at(c) = x.at(from);
  });
  return y;
}

Array pad(const Array& x, const std::vector<int32_t>& begins, const Shape& shape, double value) {
  Array y(shape, value);
  for_each(shape, [&](const Shape& c) {
    Shape from(c.size());
    for (size_t d = 0; d < c.size(); ++d) {
      const int64_t at = int64_t{c[d]} - begins[d];
      if (at < 0 || at >= x.shape[d]) return;
      from[d] = static_cast<uint32_t>(at);
    }
    y.at(c) = x.at(from);
  });
  return y;
}

Array trilu(const Array& x, int32_t k, bool upper) {
  Array y(x.shape);
  const size_t rank = x.shape.size();
  for_each(x.shape, [&](const Shape& c) {
    const int64_t distance = int64_t{c[rank - 1]} - c[rank - 2];
    if (upper ? distance >= k : distance <= k) y.at(c) = x.at(c);
  });
  return y;
}

Array gather(const Array& data, const Array& indices, uint32_t axis, double missing) {
  const size_t rank = data.shape.size(), inserted = indices.shape.size();
  Array y(joined({part(data.shape, 0, axis), indices.shape, part(data.shape, axis + 1, rank)}));
  for_each(y.shape, [&](const Shape& c) {
    const int64_t i = resolve(indices.at(part(c, axis, axis + inserted)), data.shape[axis]);
    const Shape from = joined({part(c, 0, axis), {static_cast<uint32_t>(i)}, part(c, axis + inserted, c.size())});
    y.at(c) = i < 0 ? missing : data.at(from);
  });
  return y;
}

Array gather_elements(const Array& data, const Array& indices, uint32_t axis, double missing) {
  Array y(indices.shape);
  for_each(y.shape, [&](const Shape& c) {
    const int64_t i = resolve(indices.at(c), data.shape[axis]);
    Shape from = c;
    from[axis] = static_cast<uint32_t>(i);
    y.at(c) = i < 0 ? missing : data.at(from);
  });
  return y;
}

Array gather_nd(const Array& data, const Array& indices, uint32_t batch_dims, double missing) {
  const size_t tuple = indices.shape.back(), lead = indices.shape.size() - 1;
  Array y(joined({part(indices.shape, 0, lead), part(data.shape, batch_dims + tuple, data.shape.size())}));
  for_each(y.shape, [&](const Shape& c) {
    const Shape at = named(indices, part(c, 0, lead), data.shape, batch_dims);
    y.at(c) = at.empty() ? missing : data.at(joined({part(c, 0, batch_dims), at, part(c, lead, c.size())}));
  });
  return y;
}

Array scatter_elements(const Array& data, const Array& indices, const Array& updates, uint32_t axis,
                       ScatterReduction reduction) {
  Array y = data;
  for_each(indices.shape, [&](const Shape& c) {
    const int64_t i = resolve(indices.at(c), data.shape[axis]);
    if (i < 0) return;
    Shape to = c;
    to[axis] = static_cast<uint32_t>(i);
    y.at(to) = combine(reduction, y.at(to), updates.at(c));
  });
  return y;
}

Array scatter_nd(const Array& data, const Array& indices, const Array& updates) {
  Array y = data;
  const size_t lead = indices.shape.size() - 1;
  for_each(updates.shape, [&](const Shape& c) {
    const Shape at = named(indices, part(c, 0, lead), data.shape, 0);
    if (!at.empty()) y.at(joined({at, part(c, lead, c.size())})) = updates.at(c);
  });
  return y;
}

Array gather_block_quantized(const BlockQuantized& table, const Array& indices) {
  const uint32_t bits = table.bits, row_bytes = table.shape.back();
  const uint32_t columns = row_bytes * 8 / bits, blocks = (columns + table.block_size - 1) / table.block_size;
  const uint32_t zero_bytes = (blocks * bits + 7) / 8;
  const Shape middle = part(table.shape, 1, table.shape.size() - 1);
  const auto value = [bits](const std::vector<uint8_t>& bytes, size_t row_start, uint32_t i) {
    return (bytes[row_start + i * bits / 8] >> (i * bits % 8)) & ((1u << bits) - 1);
  };
  Array y(joined({indices.shape, middle, {columns}}));
  const uint64_t rows = product(middle);
  for (uint64_t o = 0; o < y.size() / columns; ++o) {
    const int64_t slice_index = resolve(indices.values[o / rows], table.shape[0]);
    if (slice_index < 0) continue;
    const auto row = static_cast<uint64_t>(slice_index) * rows + o % rows;
    for (uint32_t c = 0; c < columns; ++c) {
      const uint32_t block = c / table.block_size;
      const double zero =
          table.zero_points.empty() ? 1u << (bits - 1) : value(table.zero_points, row * zero_bytes, block);
      y.values[o * columns + c] = (value(table.data, row * row_bytes, c) - zero) * table.scales[row * blocks + block];
    }
  }
  return y;
}

}  // namespace sluice::kernels::ref
