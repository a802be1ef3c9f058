// Operators that make tensors of numbers, or only order what there is: OneHot, EyeLike, Range, Dropout, pixel blocks,
// and those whose results inference already knows.
#include "base/error.h"
#include "kernels/data/fill.h"
#include "kernels/data/slice.h"
#include "kernels/data/transpose.h"
#include "lower/ops.h"

namespace sluice::lower {

namespace {

using kernels::ElementArg;
using kernels::ElementOp;
using kernels::ElementProgram;
using kernels::Storage;
using kernels::Tensor;

// 0, 1, 2... in a tensor of that shape.
Tensor steps(Lowering& l, std::vector<uint32_t> shape) {
  Tensor y = l.recorder().scratch(Storage::kI32, std::move(shape));
  kernels::plan_range({.y = y}, l.recorder());
  return y;
}

ElementOp cast_to(const Tensor& y) { return kernels::cast_to(kernels::element_type(y.storage)); }

Tensor element(Lowering& l, const Tensor& x, int32_t index) {
  Tensor y = l.recorder().scratch(x.storage, {1});
  kernels::plan_slice({.x = x, .y = y, .starts = {index}, .steps = {1}}, l.recorder());
  return y;
}

}  // namespace

// The results are constants or follow from the number of past tokens: no work, wherever they are read.
void lower_known(Lowering& l, const Node& node) {
  for (const graph::ValueId id : node.outputs) {
    if (id == graph::kNoValue || l.value(id).constant || l.value(id).known) continue;
    fail("lower", "\"{}\" must be known when the graph is compiled", l.value(id).name);
  }
}

// Inference: everything passes.
void lower_dropout(Lowering& l, const Node& node) {
  if (node.has(2) && constant_scalar(l, node, 2) != 0) fail("lower", "training_mode must be false");
  lower_alias(l, node);
  if (node.output(1) != graph::kNoValue) kernels::plan_fill({.y = l.output(node, 1), .value = 1}, l.recorder());
}

// start + i * delta
void lower_range(Lowering& l, const Node& node) {
  const Tensor y = l.output(node, 0);
  ElementNode problem{{steps(l, y.shape), l.input(node, 0), l.input(node, 2)}, {}, "elementwise/Range"};
  ElementProgram& p = problem.program;
  const ElementArg scaled =
      p.apply(ElementOp::kMul, p.apply(cast_to(y), ElementProgram::input(0)), ElementProgram::input(2));
  p.apply(ElementOp::kAdd, ElementProgram::input(1), scaled);
  lower_program(l, node, std::move(problem));
}

// Negative indices count from the end; those out of range choose `off` everywhere.
void lower_one_hot(Lowering& l, const Node& node) {
  Tensor indices = l.input(node, 0);
  const Tensor values = l.input(node, 2), y = l.output(node, 0);
  const uint32_t axis = resolve_axis(node.i("axis", -1), y.rank());
  indices.shape.insert(indices.shape.begin() + axis, 1);
  std::vector<uint32_t> along(y.rank() - axis, 1);
  along[0] = y.shape[axis];
  ElementNode problem{
      {indices, steps(l, along), element(l, values, 0), element(l, values, 1)}, {}, "elementwise/OneHot"};
  ElementProgram& p = problem.program;
  const ElementArg index = p.apply(ElementOp::kToInt, ElementProgram::input(0));
  const ElementArg from_end = p.apply(ElementOp::kAdd, index, p.constant(static_cast<int32_t>(y.shape[axis])));
  const ElementArg at =
      p.apply(ElementOp::kWhere, p.apply(ElementOp::kLess, index, p.constant(int32_t{0})), from_end, index);
  p.apply(ElementOp::kWhere, p.apply(ElementOp::kEqual, at, ElementProgram::input(1)), ElementProgram::input(3),
          ElementProgram::input(2));
  lower_program(l, node, std::move(problem));
}

// 1 where column - row is k, else 0.
void lower_eye_like(Lowering& l, const Node& node) {
  const Tensor y = l.output(node, 0);
  const auto k = static_cast<int32_t>(node.i("k", 0));
  ElementNode problem{{steps(l, {y.shape[0], 1}), steps(l, {y.shape[1]})}, {}, "elementwise/EyeLike"};
  ElementProgram& p = problem.program;
  const ElementArg column = p.apply(ElementOp::kAdd, ElementProgram::input(0), p.constant(k));
  p.apply(cast_to(y), p.apply(ElementOp::kEqual, column, ElementProgram::input(1)));
  lower_program(l, node, std::move(problem));
}

// Channels become blocks of pixels: DCR has the block before the channel, CRD after it.
void lower_depth_to_space(Lowering& l, const Node& node) {
  Tensor x = l.input(node, 0), y = l.output(node, 0);
  const auto b = static_cast<uint32_t>(node.i("blocksize", 1));
  const uint32_t channels = y.shape[1], height = x.shape[2], width = x.shape[3];
  const bool block_first = node.s("mode", "DCR") == "DCR";
  y.shape = {x.shape[0], channels, height, b, width, b};
  x.shape = block_first ? std::vector<uint32_t>{x.shape[0], b, b, channels, height, width}
                        : std::vector<uint32_t>{x.shape[0], channels, b, b, height, width};
  using Axes = std::vector<uint32_t>;
  kernels::plan_transpose({.x = x, .y = y, .perm = block_first ? Axes{0, 3, 4, 1, 5, 2} : Axes{0, 1, 4, 2, 5, 3}},
                          l.recorder());
}

void lower_space_to_depth(Lowering& l, const Node& node) {
  Tensor x = l.input(node, 0), y = l.output(node, 0);
  const auto b = static_cast<uint32_t>(node.i("blocksize", 1));
  const uint32_t channels = x.shape[1], height = y.shape[2], width = y.shape[3];
  const std::string mode = node.s("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") fail("lower", "mode must be DCR or CRD, got \"{}\"", mode);
  const bool block_first = mode == "DCR";
  x.shape = {x.shape[0], channels, height, b, width, b};
  y.shape = block_first ? std::vector<uint32_t>{x.shape[0], b, b, channels, height, width}
                        : std::vector<uint32_t>{x.shape[0], channels, b, b, height, width};
  using Axes = std::vector<uint32_t>;
  kernels::plan_transpose({.x = x, .y = y, .perm = block_first ? Axes{0, 3, 5, 1, 2, 4} : Axes{0, 1, 3, 5, 2, 4}},
                          l.recorder());
}

}  // namespace sluice::lower
