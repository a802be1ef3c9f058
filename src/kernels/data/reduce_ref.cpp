#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/data/data_ref.h"

namespace sluice::kernels::ref {
namespace {

double identity(ReduceOp op, bool ints) {
  const double infinity = std::numeric_limits<double>::infinity();
  switch (op) {
    case ReduceOp::kProd:
      return 1;
    case ReduceOp::kMax:
      return ints ? std::numeric_limits<int32_t>::min() : -infinity;
    case ReduceOp::kMin:
      return ints ? std::numeric_limits<int32_t>::max() : infinity;
    default:
      return 0;
  }
}

double step(ReduceOp op, double a, double b) {
  const bool nan = std::isnan(a) || std::isnan(b);
  switch (op) {
    case ReduceOp::kProd:
      return a * b;
    case ReduceOp::kMax:
      return nan ? std::nan("") : std::max(a, b);
    case ReduceOp::kMin:
      return nan ? std::nan("") : std::min(a, b);
    case ReduceOp::kSumSquare:
    case ReduceOp::kL2:
      return a + b * b;
    default:
      return a + b;
  }
}

}  // namespace

Array reduce(const Array& x, const Shape& axes, ReduceOp op, bool ints) {
  Shape shape = x.shape;
  double count = 1;
  for (const uint32_t axis : axes) {
    count *= shape[axis];
    shape[axis] = 1;
  }
  Array y(shape, identity(op, ints));
  for_each(x.shape, [&](const Shape& c) {
    Shape to = c;
    for (const uint32_t axis : axes) to[axis] = 0;
    double& v = y.at(to);
    v = step(op, v, x.at(c));
    if (ints) v = static_cast<int32_t>(static_cast<int64_t>(v));
  });
  for (double& v : y.values) {
    if (op == ReduceOp::kMean) v = ints ? (count == 0 ? 0 : std::trunc(v / count)) : v / count;
    if (op == ReduceOp::kL2) v = std::sqrt(v);
  }
  return y;
}

Array arg_reduce(const Array& x, uint32_t axis, bool is_max, bool last) {
  Shape shape = x.shape;
  shape[axis] = 1;
  Array y(shape);
  for_each(shape, [&](const Shape& c) {
    uint32_t best = last ? x.shape[axis] - 1 : 0;
    double best_value = std::nan("");
    for (uint32_t i = 0; i < x.shape[axis]; ++i) {
      Shape at = c;
      at[axis] = i;
      const double v = is_max ? x.at(at) : -x.at(at);
      if (std::isnan(v)) continue;
      if (std::isnan(best_value) || v > best_value || (last && v == best_value)) {
        best = i;
        best_value = v;
      }
    }
    y.at(c) = best;
  });
  return y;
}

Array cumsum(const Array& x, uint32_t axis, bool exclusive, bool reverse) {
  Array y(x.shape);
  Shape lines = x.shape;
  const uint32_t length = lines[axis];
  lines[axis] = 1;
  for_each(lines, [&](const Shape& c) {
    double sum = 0;
    for (uint32_t i = 0; i < length; ++i) {
      Shape at = c;
      at[axis] = reverse ? length - 1 - i : i;
      const double next = sum + x.at(at);
      y.at(at) = exclusive ? sum : next;
      sum = next;
    }
  });
  return y;
}

}  // namespace sluice::kernels::ref
