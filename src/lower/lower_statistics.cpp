// Reductions and normalizations that are a few reductions and element-wise programs: nothing here is worth a kernel of
// its own, since no language model spends time in it.
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "kernels/data/arg_reduce.h"
#include "kernels/data/fill.h"
#include "lower/ops.h"

namespace sluice::lower {

namespace {

using kernels::ElementArg;
using kernels::ElementProgram;
using kernels::ElementwiseProblem;
using kernels::ReduceOp;
using kernels::Storage;
using kernels::Tensor;
using enum kernels::ElementOp;

Tensor with_shape(Tensor tensor, std::vector<uint32_t> shape) {
  tensor.shape = std::move(shape);
  return tensor;
}

uint32_t product(const std::vector<uint32_t>& shape, size_t first, size_t last) {
  uint32_t p = 1;
  for (size_t i = first; i < last; ++i) p *= shape[i];
  return p;
}

// x reduced over axes, which stay with size 1; float32 (or int32).
Tensor reduced(Lowering& l, const Tensor& x, const std::vector<uint32_t>& axes, ReduceOp op) {
  std::vector<uint32_t> shape = x.shape;
  for (const uint32_t axis : axes) shape[axis] = 1;
  Tensor y = l.recorder().scratch(x.storage == Storage::kI32 ? Storage::kI32 : Storage::kF32, shape);
  kernels::plan_reduce({.x = x, .y = y, .axes = axes, .op = op}, l.recorder());
  return y;
}

// The result of a program over `inputs`, of the first one's shape, in float32 (or int32).
template <class Make>
Tensor computed(Lowering& l, const std::vector<Tensor>& inputs, Make make) {
  const Storage storage = inputs[0].storage == Storage::kI32 ? Storage::kI32 : Storage::kF32;
  Tensor y = l.recorder().scratch(storage, inputs[0].shape);
  ElementwiseProblem problem{{inputs.begin(), inputs.end()}, y, {}, ""};
  make(problem.program);
  kernels::plan_elementwise(problem, l.recorder());
  return y;
}

ElementArg in(uint32_t k) { return ElementProgram::input(k); }

// The sum of squares of what centred() gives, divided by the count and made a factor.
ElementArg deviation_factor(ElementProgram& p, ElementArg squares, uint32_t count, float epsilon) {
  const ElementArg variance = p.apply(kMul, squares, p.constant(1 / static_cast<float>(count)));
  return p.apply(kDiv, p.constant(1.0f), p.apply(kSqrt, p.apply(kAdd, variance, p.constant(epsilon))));
}

Tensor centred(Lowering& l, const Tensor& x, const std::vector<uint32_t>& axes) {
  const Tensor mean = reduced(l, x, axes, ReduceOp::kMean);
  return computed(l, {x, mean}, [](ElementProgram& p) { p.apply(kSub, in(0), in(1)); });
}

}  // namespace

// Sums of |x|.
void lower_reduce_l1(Lowering& l, const Node& node) {
  kernels::ReduceProblem problem = reduce_problem(l, node, ReduceOp::kSum);
  problem.x = computed(l, {problem.x}, [](ElementProgram& p) { p.apply(kAbs, in(0)); });
  problem.y = l.output(node, 0);
  kernels::plan_reduce(problem, l.recorder());
}

void lower_reduce_log_sum(Lowering& l, const Node& node) {
  const kernels::ReduceProblem problem = reduce_problem(l, node, ReduceOp::kSum);
  const Tensor sum = reduced(l, problem.x, problem.axes, ReduceOp::kSum);
  const Tensor y = l.output(node, 0);
  kernels::plan_unary(kLog, with_shape(sum, y.shape), y, l.recorder());
}

// The greatest element is taken out of the exponents, unless it is infinite.
void lower_reduce_log_sum_exp(Lowering& l, const Node& node) {
  const kernels::ReduceProblem problem = reduce_problem(l, node, ReduceOp::kSum);
  const Tensor most = reduced(l, problem.x, problem.axes, ReduceOp::kMax);
  const auto offset = [](ElementProgram& p, uint32_t k) {
    return p.apply(kWhere, p.apply(kIsInf, in(k)), p.constant(0.0f), in(k));
  };
  const Tensor powers =
      computed(l, {problem.x, most}, [&](ElementProgram& p) { p.apply(kExp, p.apply(kSub, in(0), offset(p, 1))); });
  const Tensor sum = reduced(l, powers, problem.axes, ReduceOp::kSum);
  const Tensor y = l.output(node, 0);
  ElementNode last{{with_shape(sum, y.shape), with_shape(most, y.shape)}, {}, ""};
  const ElementArg shift = offset(last.program, 1);
  last.program.apply(kAdd, last.program.apply(kLog, in(0)), shift);
  lower_program(l, node, std::move(last));
}

static void lower_global_pool(Lowering& l, const Node& node, ReduceOp op) {
  const Tensor x = l.input(node, 0), y = l.output(node, 0);
  const uint32_t channels = x.shape[0] * x.shape[1];
  kernels::plan_reduce({.x = with_shape(x, {channels, product(x.shape, 2, x.shape.size())}),
                        .y = with_shape(y, {channels, 1}),
                        .axes = {1},
                        .op = op},
                       l.recorder());
}

void lower_global_average_pool(Lowering& l, const Node& node) { lower_global_pool(l, node, ReduceOp::kMean); }
void lower_global_max_pool(Lowering& l, const Node& node) { lower_global_pool(l, node, ReduceOp::kMax); }

// 1 at the first greatest element along the axis (before opset 13: of all from the axis on), else 0.
void lower_hardmax(Lowering& l, const Node& node) {
  const Tensor x = l.input(node, 0), y = l.output(node, 0);
  const bool flattened = node.opset < 13;
  const uint32_t axis = resolve_axis(node.i("axis", flattened ? 1 : -1), x.rank());
  const uint32_t outer = product(x.shape, 0, axis);
  const uint32_t length = flattened ? product(x.shape, axis, x.rank()) : x.shape[axis];
  const uint32_t inner = flattened ? 1 : product(x.shape, axis + 1, x.rank());
  const Tensor at = l.recorder().scratch(Storage::kI32, {outer, 1, inner});
  const Tensor steps = l.recorder().scratch(Storage::kI32, {length, 1});
  kernels::plan_arg_reduce({.x = with_shape(x, {outer, length, inner}), .y = at, .axis = 1}, l.recorder());
  kernels::plan_range({.y = steps}, l.recorder());
  ElementwiseProblem problem{{at, steps}, with_shape(y, {outer, length, inner}), {}, "elementwise/Hardmax"};
  problem.program.apply(kToFloat, problem.program.apply(kEqual, in(0), in(1)));
  kernels::plan_elementwise(problem, l.recorder());
}

// (x - mean) / sqrt(var + epsilon) * scale + B, each of the channels.
void lower_batch_norm(Lowering& l, const Node& node) {
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    if (node.output(i) != graph::kNoValue) fail("lower", "output {} is of training only: not supported", i);
  }
  const Tensor x = l.input(node, 0);
  std::vector<uint32_t> channels(x.rank() - 1, 1);
  channels[0] = x.shape[1];
  ElementNode problem{{x}, {}, "elementwise/BatchNormalization"};
  for (size_t i = 1; i < 5; ++i) problem.operands.emplace_back(with_shape(l.input(node, i), channels));
  ElementProgram& p = problem.program;
  const ElementArg factor =
      p.apply(kDiv, in(1), p.apply(kSqrt, p.apply(kAdd, in(4), p.constant(node.f("epsilon", 1e-5f)))));
  p.apply(kAdd, p.apply(kMul, p.apply(kSub, in(0), in(3)), factor), in(2));
  lower_program(l, node, std::move(problem));
}

namespace {

// x seen as (outer, groups, channels of a group, elements of a channel), normalized over the last two; scale and bias
// broadcast to that.
struct GroupNorm {
  std::vector<uint32_t> shape, scale_shape;
  float epsilon = 1e-5f;
};

void lower_groups(Lowering& l, const Node& node, const GroupNorm& norm) {
  const Tensor values = centred(l, with_shape(l.input(node, 0), norm.shape), {2, 3});
  const Tensor squares = reduced(l, values, {2, 3}, ReduceOp::kSumSquare);
  const Tensor y = with_shape(l.output(node, 0), norm.shape);
  ElementwiseProblem problem{
      {values, squares, with_shape(l.input(node, 1), norm.scale_shape), with_shape(l.input(node, 2), norm.scale_shape)},
      y,
      {},
      "elementwise/" + node.op_type};
  ElementProgram& p = problem.program;
  const ElementArg factor = deviation_factor(p, in(1), norm.shape[2] * norm.shape[3], norm.epsilon);
  p.apply(kAdd, p.apply(kMul, p.apply(kMul, in(0), factor), in(2)), in(3));
  kernels::plan_elementwise(problem, l.recorder());
}

}  // namespace

void lower_instance_norm(Lowering& l, const Node& node) {
  const std::vector<uint32_t> shape = l.input(node, 0).shape;
  lower_groups(l, node,
               {.shape = {shape[0], shape[1], 1, product(shape, 2, shape.size())},
                .scale_shape = {shape[1], 1, 1},
                .epsilon = node.f("epsilon", 1e-5f)});
}

void lower_group_norm(Lowering& l, const Node& node) {
  const std::vector<uint32_t> shape = l.input(node, 0).shape;
  const auto groups = static_cast<uint32_t>(node.i("num_groups", 1));
  const uint32_t channels = shape[1] / groups;
  lower_groups(l, node,
               {.shape = {shape[0], groups, channels, product(shape, 2, shape.size())},
                .scale_shape = {groups, node.opset < 21 ? 1 : channels, 1},
                .epsilon = node.f("epsilon", 1e-5f)});
}

// x divided by its L1 or L2 norm along the axis; 0 where that is 0.
void lower_lp_norm(Lowering& l, const Node& node) {
  const Tensor x = l.input(node, 0);
  const uint32_t axis = resolve_axis(node.i("axis", -1), x.rank());
  const bool is_l1 = node.i("p", 2) == 1;
  const Tensor sizes = is_l1 ? computed(l, {x}, [](ElementProgram& p) { p.apply(kAbs, in(0)); }) : x;
  const Tensor length = reduced(l, sizes, {axis}, is_l1 ? ReduceOp::kSum : ReduceOp::kL2);
  ElementNode problem{{x, length}, {}, "elementwise/LpNormalization"};
  ElementProgram& p = problem.program;
  const ElementArg zero = p.constant(0.0f);
  p.apply(kWhere, p.apply(kEqual, in(1), zero), zero, p.apply(kDiv, in(0), in(1)));
  lower_program(l, node, std::move(problem));
}

void lower_mean_variance_norm(Lowering& l, const Node& node) {
  const Tensor x = l.input(node, 0);
  std::vector<int64_t> given = node.ints("axes");
  if (given.empty()) given = {0, 2, 3};
  std::vector<uint32_t> axes;
  uint32_t count = 1;
  for (const int64_t axis : given) {
    axes.push_back(resolve_axis(axis, x.rank()));
    count *= x.shape[axes.back()];
  }
  const Tensor values = centred(l, x, axes);
  ElementNode problem{{values, reduced(l, values, axes, ReduceOp::kSumSquare)}, {}, ""};
  ElementProgram& p = problem.program;
  p.apply(kMul, in(0), deviation_factor(p, in(1), count, 1e-9f));
  lower_program(l, node, std::move(problem));
}

}  // namespace sluice::lower
