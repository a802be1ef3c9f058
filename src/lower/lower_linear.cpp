// Linear quantization: y = (x - zero point) * scale and back, with one scale, one for each index along an axis, or one
// for each block along it; and products of 8-bit matrices.
#include <cmath>
#include <utility>

#include "base/error.h"
#include "kernels/data/narrow.h"
#include "kernels/data/reduce.h"
#include "kernels/matmul/matmul_integer.h"
#include "lower/ops.h"

namespace sluice::lower {

namespace {

using kernels::ElementArg;
using kernels::ElementProgram;
using kernels::ElementwiseProblem;
using kernels::Storage;
using kernels::Tensor;
using enum kernels::ElementOp;

ElementArg in(uint32_t k) { return ElementProgram::input(k); }

// Shapes in which x and its scales broadcast: a blocked axis becomes two.
struct Views {
  std::vector<uint32_t> x, scale;
};

Views views_of(const Node& node, const Tensor& x, const Tensor& scale) {
  const auto block = static_cast<uint32_t>(node.i("block_size", 0));
  if (scale.rank() == 0 || (scale.elements() == 1 && block == 0)) return {x.shape, {}};
  const uint32_t axis = resolve_axis(node.i("axis", 1), x.rank());
  if (block == 0) {
    std::vector<uint32_t> along(x.rank() - axis, 1);
    along[0] = x.shape[axis];
    return {x.shape, along};
  }
  Views views{x.shape, scale.shape};
  views.x[axis] /= block;
  views.x.insert(views.x.begin() + axis + 1, block);
  views.scale.insert(views.scale.begin() + axis + 1, 1);
  return views;
}

// An input of any integer type as whole integers.
Tensor whole_input(Lowering& l, const Node& node, size_t i) {
  if (!node.has(i)) return {};
  const graph::Value& value = l.value(node.input(i));
  if (*value.dtype != DType::kInt4 && *value.dtype != DType::kUint4) return l.input(node, i);
  std::vector<uint32_t> shape;
  for (const graph::Dim& dim : *value.shape) shape.push_back(static_cast<uint32_t>(dim.value));
  Tensor y = l.recorder().scratch(Storage::kI32, std::move(shape));
  kernels::plan_unpack({l.packed_input(node, i), y, 4, *value.dtype == DType::kInt4}, l.recorder());
  return y;
}

std::pair<float, float> range_of(DType type) {
  const auto most = std::ldexp(1.0f, static_cast<int>(bits(type)));
  const bool is_unsigned = type == DType::kUint8 || type == DType::kUint16;
  return is_unsigned ? std::pair(0.0f, most - 1) : std::pair(-most / 2, most / 2 - 1);
}

// The nearest integer to value / scale (ties to even) + zero point, within the type's range.
void quantize(ElementProgram& p, ElementArg value, ElementArg scale, std::optional<ElementArg> zero, DType type) {
  const auto [low, high] = range_of(type);
  ElementArg y = p.apply(kRound, p.apply(kDiv, value, scale));
  if (zero) y = p.apply(kAdd, y, p.apply(kToFloat, *zero));
  p.apply(kToInt, p.apply(kClip, y, p.constant(low), p.constant(high)));
}

}  // namespace

void lower_dequantize_linear(Lowering& l, const Node& node) {
  Tensor x = whole_input(l, node, 0), scale = l.input(node, 1), zero = whole_input(l, node, 2), y = l.output(node, 0);
  const Views views = views_of(node, x, scale);
  x.shape = y.shape = views.x;
  scale.shape = zero.shape = views.scale;
  ElementwiseProblem problem{{x, scale}, y, {}, "elementwise/DequantizeLinear"};
  ElementProgram& p = problem.program;
  ElementArg value = in(0);
  if (zero) {
    problem.inputs.emplace_back(zero);
    value = p.apply(kSub, value, in(2));
  }
  p.apply(kMul, p.apply(kToFloat, value), in(1));
  kernels::plan_elementwise(problem, l.recorder());
}

void lower_quantize_linear(Lowering& l, const Node& node) {
  Tensor x = l.input(node, 0), scale = l.input(node, 1), zero = l.input(node, 2), y = l.output(node, 0);
  const Views views = views_of(node, x, scale);
  x.shape = y.shape = views.x;
  scale.shape = zero.shape = views.scale;
  ElementwiseProblem problem{{x, scale}, y, {}, "elementwise/QuantizeLinear"};
  std::optional<ElementArg> point;
  if (zero) {
    problem.inputs.emplace_back(zero);
    point = in(2);
  }
  quantize(problem.program, in(0), in(1), point, *l.value(node.output(0)).dtype);
  kernels::plan_elementwise(problem, l.recorder());
}

// To uint8 with the scale and zero point that the range of x, widened to hold 0, asks for.
void lower_dynamic_quantize_linear(Lowering& l, const Node& node) {
  const Tensor x = l.input(node, 0);
  kernels::Recorder& recorder = l.recorder();
  std::vector<uint32_t> axes(x.rank());
  for (uint32_t d = 0; d < x.rank(); ++d) axes[d] = d;
  const Tensor low = recorder.scratch(Storage::kF32, {}), high = recorder.scratch(Storage::kF32, {});
  kernels::plan_reduce({.x = x, .y = low, .axes = axes, .op = kernels::ReduceOp::kMin}, recorder);
  kernels::plan_reduce({.x = x, .y = high, .axes = axes, .op = kernels::ReduceOp::kMax}, recorder);
  Tensor scale = l.output(node, 1), zero = l.output(node, 2);
  if (!scale) scale = recorder.scratch(Storage::kF32, {});
  if (!zero) zero = recorder.scratch(Storage::kI32, {});

  ElementwiseProblem scales{{low, high}, scale, {}, "elementwise/DynamicQuantizeLinear"};
  ElementProgram& p = scales.program;
  const ElementArg nothing = p.constant(0.0f);
  const ElementArg span = p.apply(kSub, p.apply(kMax, in(1), nothing), p.apply(kMin, in(0), nothing));
  p.apply(kWhere, p.apply(kEqual, span, nothing), p.constant(1.0f), p.apply(kDiv, span, p.constant(255.0f)));
  kernels::plan_elementwise(scales, recorder);

  ElementwiseProblem points{{low, scale}, zero, {}, "elementwise/DynamicQuantizeLinear"};
  ElementProgram& q = points.program;
  const ElementArg from = q.apply(kNeg, q.apply(kDiv, q.apply(kMin, in(0), q.constant(0.0f)), in(1)));
  q.apply(kToInt, q.apply(kRound, q.apply(kClip, from, q.constant(0.0f), q.constant(255.0f))));
  kernels::plan_elementwise(points, recorder);

  ElementwiseProblem values{{x, scale, zero}, l.output(node, 0), {}, "elementwise/DynamicQuantizeLinear"};
  quantize(values.program, in(0), in(1), in(2), DType::kUint8);
  kernels::plan_elementwise(values, recorder);
}

// The matrices may stay packed bytes; their zero points are few.
void lower_matmul_integer(Lowering& l, const Node& node) {
  kernels::MatMulIntegerProblem problem{
      .a = l.input(node, 0), .b = l.input(node, 1), .a_zero = {}, .b_zero = {}, .y = l.output(node, 0)};
  l.with_whole_bytes([&] {
    problem.a_zero = l.input(node, 2);
    problem.b_zero = l.input(node, 3);
  });
  kernels::plan_matmul_integer(problem, l.recorder());
}

}  // namespace sluice::lower
