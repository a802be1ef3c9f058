// ScatterElements and ScatterND.
#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "kernels/common/strides.h"
#include "kernels/data/expand.h"
#include "kernels/data/scatter_elements.h"
#include "kernels/data/scatter_nd.h"
#include "kernels/data/slice.h"
#include "lower/ops.h"

namespace sluice::lower {

namespace {

using kernels::ElementArg;
using kernels::ElementOp;
using kernels::ElementProgram;
using kernels::ScatterReduction;
using kernels::Tensor;

ScatterReduction reduction_of(Lowering& l, const Node& node) {
  static constexpr std::pair<const char*, ScatterReduction> kReductions[] = {{"none", ScatterReduction::kNone},
                                                                             {"add", ScatterReduction::kAdd},
                                                                             {"mul", ScatterReduction::kMul},
                                                                             {"min", ScatterReduction::kMin},
                                                                             {"max", ScatterReduction::kMax}};
  const std::string reduction = node.s("reduction", "none");
  const auto* found =
      std::find_if(std::begin(kReductions), std::end(kReductions), [&](const auto& r) { return reduction == r.first; });
  if (found == std::end(kReductions)) fail("lower", "reduction \"{}\" is not known", reduction);
  if (found->second != ScatterReduction::kNone) l.refuse_rare_integers(node.input(0));
  return found->second;
}

// Of every tuple, the number of the row of data that it names, data seen as (rows, inner): (tuples, 1). A tuple out of
// range names row `rows`, which there is not.
Tensor flat_rows(Lowering& l, const Tensor& indices, const std::vector<uint32_t>& dims, uint32_t rows) {
  const auto tuples = static_cast<uint32_t>(indices.rows());
  Tensor table = indices;
  table.shape = {tuples, static_cast<uint32_t>(dims.size())};
  kernels::ElementwiseProblem problem{
      {}, l.recorder().scratch(kernels::Storage::kI32, {tuples, 1}), {}, "scatter_nd/rows"};
  ElementProgram& p = problem.program;
  ElementArg row = p.constant(int32_t{0});
  ElementArg inside = p.constant(true);
  for (uint32_t k = 0; k < dims.size(); ++k) {
    const Tensor column = l.recorder().scratch(kernels::Storage::kI32, {tuples, 1});
    kernels::plan_slice({.x = table, .y = column, .starts = {0, static_cast<int32_t>(k)}, .steps = {1, 1}},
                        l.recorder());
    problem.inputs.emplace_back(column);
    const ElementArg index = ElementProgram::input(k), size = p.constant(static_cast<int32_t>(dims[k]));
    const ElementArg zero = p.constant(int32_t{0});
    const ElementArg from_end = p.apply(ElementOp::kAdd, index, size);
    const ElementArg at = p.apply(ElementOp::kWhere, p.apply(ElementOp::kLess, index, zero), from_end, index);
    const ElementArg not_below = p.apply(ElementOp::kGreaterOrEqual, at, zero);
    inside = p.apply(ElementOp::kAnd, inside, p.apply(ElementOp::kAnd, not_below, p.apply(ElementOp::kLess, at, size)));
    row = p.apply(ElementOp::kAdd, p.apply(ElementOp::kMul, row, size), at);
  }
  p.apply(ElementOp::kWhere, inside, row, p.constant(static_cast<int32_t>(rows)));
  kernels::plan_elementwise(problem, l.recorder());
  return problem.output;
}

// Equal tuples are common with a reduction: it runs as ScatterElements along the rows, which takes updates in order.
void lower_reducing_scatter_nd(Lowering& l, const Node& node, ScatterReduction reduction) {
  constexpr uint32_t kMaxTuple = 3;  // instructions of a program
  Tensor data = l.input(node, 0), updates = l.input(node, 2), y = l.output(node, 0);
  const Tensor indices = l.input(node, 1);
  const uint32_t tuple = indices.last();
  if (tuple > kMaxTuple) fail("lower", "a reduction takes indices of 1 to {} numbers, got {}", kMaxTuple, tuple);
  const std::vector<uint32_t> dims(data.shape.begin(), data.shape.begin() + tuple);
  uint32_t rows = 1, inner = 1;
  for (uint32_t d = 0; d < data.rank(); ++d) (d < tuple ? rows : inner) *= data.shape[d];
  const auto tuples = static_cast<uint32_t>(indices.rows());
  const Tensor spread = l.recorder().scratch(kernels::Storage::kI32, {tuples, inner});
  if (spread.elements() != 0) kernels::plan_expand({.x = flat_rows(l, indices, dims, rows), .y = spread}, l.recorder());
  data.shape = y.shape = {rows, inner};
  updates.shape = spread.shape;
  kernels::plan_scatter_elements(
      {.data = data, .indices = spread, .updates = updates, .y = y, .axis = 0, .reduction = reduction}, l.recorder());
}

}  // namespace

void lower_scatter_elements(Lowering& l, const Node& node) {
  const ScatterReduction reduction = reduction_of(l, node);
  const Tensor data = l.input(node, 0);
  kernels::plan_scatter_elements({.data = data,
                                  .indices = l.input(node, 1),
                                  .updates = l.input(node, 2),
                                  .y = l.output(node, 0),
                                  .axis = resolve_axis(node.i("axis", 0), data.rank()),
                                  .reduction = reduction},
                                 l.recorder());
}

void lower_scatter_nd(Lowering& l, const Node& node) {
  const ScatterReduction reduction = reduction_of(l, node);
  if (reduction != ScatterReduction::kNone) return lower_reducing_scatter_nd(l, node, reduction);
  kernels::plan_scatter_nd(
      {.data = l.input(node, 0), .indices = l.input(node, 1), .updates = l.input(node, 2), .y = l.output(node, 0)},
      l.recorder());
}

}  // namespace sluice::lower
