#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "kernels/data/arg_reduce.h"
#include "kernels/data/concat.h"
#include "kernels/data/cumsum.h"
#include "kernels/data/expand.h"
#include "kernels/data/fill.h"
#include "kernels/data/gather.h"
#include "kernels/data/gather_4bit.h"
#include "kernels/data/gather_block_quantized.h"
#include "kernels/data/gather_elements.h"
#include "kernels/data/gather_nd.h"
#include "kernels/data/pad.h"
#include "kernels/data/slice.h"
#include "kernels/data/tile.h"
#include "kernels/data/transpose.h"
#include "kernels/data/trilu.h"
#include "kernels/topk/topk.h"
#include "lower/ops.h"
#include "lower/parts.h"

namespace sluice::lower {

uint32_t resolve_axis(int64_t axis, size_t rank) {
  const auto size = static_cast<int64_t>(rank);
  if (axis < -size || axis >= size) fail("lower", "axis {} is outside the tensor's {} dimensions", axis, rank);
  return static_cast<uint32_t>(axis < 0 ? axis + size : axis);
}

namespace {

double first_element(const graph::Constant& constant) {
  if (constant.bytes.empty()) fail("lower", "a scalar constant has no elements");
  const std::byte* data = constant.bytes.data();
  const auto load = [&](auto x) {
    std::memcpy(&x, data, sizeof(x));
    return x;
  };
  switch (constant.dtype) {
    case DType::kFloat:
      return load(float{});
    case DType::kDouble:
      return load(double{});
    case DType::kFloat16:
      return half_to_float(load(uint16_t{}));
    case DType::kInt64:
      return static_cast<double>(load(int64_t{}));
    case DType::kInt32:
      return load(int32_t{});
    case DType::kInt16:
      return load(int16_t{});
    case DType::kInt8:
      return load(int8_t{});
    case DType::kUint64:
      return static_cast<double>(load(uint64_t{}));
    case DType::kUint32:
      return load(uint32_t{});
    case DType::kUint16:
      return load(uint16_t{});
    case DType::kBool:
    case DType::kUint8:
      return load(uint8_t{});
    default:
      fail("lower", "a scalar constant of type {} is not supported", name(constant.dtype));
  }
}

// Axes given as input 1 (newer opsets) or as the attribute of older ones.
std::vector<int64_t> axes_of(const Lowering& l, const Node& node, size_t input, const char* attribute) {
  return node.has(input) ? l.constant_ints(node, input) : node.ints(attribute);
}

}  // namespace

double constant_scalar(const Lowering& l, const Node& node, size_t input) {
  const graph::Value& v = l.value(node.input(input));
  if (v.known && v.known->size() == 1 && v.known->front().is_constant())
    return static_cast<double>(v.known->front().value);
  if (!v.constant) fail("lower", "input {} (\"{}\") must be a constant", input, v.name);
  return first_element(*v.constant);
}

// The kernel's name is that of a view's copy; what is computed on the way is named after that.
static void set_view(Lowering& l, const Node& node, size_t i, ElementOperand x, const char* kernel) {
  const bool copies = x.expression.is_view();
  l.set_elements(node, i, std::move(x), copies ? kernel : "");
}

void lower_alias(Lowering& l, const Node& node) {
  if (!l.reshape_elements(node)) l.alias(node, 0, l.input(node, 0));
}

void lower_transpose(Lowering& l, const Node& node) {
  const std::vector<int64_t> given = node.ints("perm");
  std::vector<uint32_t> perm(given.begin(), given.end());
  if (l.takes_views(node)) {
    ElementOperand x = l.view(node, 0);
    for (size_t d = x.expression.shape.size(); given.empty() && d-- > 0;) perm.push_back(static_cast<uint32_t>(d));
    x.expression = kernels::transposed(x.expression, perm);
    return set_view(l, node, 0, std::move(x), "transpose");
  }
  kernels::plan_transpose({.x = l.input(node, 0), .y = l.output(node, 0), .perm = std::move(perm)}, l.recorder());
}

namespace {

// Part of the first input as output i.
struct Part {
  std::vector<int32_t> starts, steps;
};

void lower_part(Lowering& l, const Node& node, size_t i, Part part) {
  const std::vector<uint32_t> shape = l.sizes(node.output(i));
  if (l.takes_views(node) && std::find(shape.begin(), shape.end(), 0u) == shape.end()) {
    ElementOperand x = l.view(node, 0);
    x.expression = kernels::sliced(x.expression, part.starts, part.steps, shape);
    return set_view(l, node, i, std::move(x), "slice");
  }
  kernels::plan_slice(
      {.x = l.input(node, 0), .y = l.output(node, i), .starts = std::move(part.starts), .steps = std::move(part.steps)},
      l.recorder());
}

}  // namespace

// Starts are resolved as ONNX defines them: negative counts from the end, then clamped into the dimension.
void lower_slice(Lowering& l, const Node& node) {
  const std::vector<uint32_t> shape = l.input_shape(node, 0);
  const size_t rank = shape.size();
  const bool by_input = node.inputs.size() > 1;
  const std::vector<int64_t> starts = by_input ? l.constant_ints(node, 1) : node.ints("starts");
  std::vector<int64_t> axes = axes_of(l, node, 3, "axes");
  for (size_t i = axes.size(); i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  const std::vector<int64_t> steps = node.has(4) ? l.constant_ints(node, 4) : std::vector<int64_t>(starts.size(), 1);
  Part part{std::vector<int32_t>(rank, 0), std::vector<int32_t>(rank, 1)};
  for (size_t i = 0; i < starts.size(); ++i) {
    const uint32_t axis = resolve_axis(axes[i], rank);
    const int64_t size = shape[axis];
    const int64_t start = starts[i] < 0 ? starts[i] + size : starts[i];
    part.starts[axis] = static_cast<int32_t>(std::clamp<int64_t>(start, 0, steps[i] < 0 ? size - 1 : size));
    part.steps[axis] = static_cast<int32_t>(steps[i]);
  }
  lower_part(l, node, 0, std::move(part));
}

void lower_split(Lowering& l, const Node& node) {
  const size_t rank = l.input_shape(node, 0).size();
  const uint32_t axis = resolve_axis(node.i("axis", 0), rank);
  std::vector<int32_t> starts(rank, 0);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.output(i) == graph::kNoValue) fail("lower", "output {} of Split must have a name", i);
    lower_part(l, node, i, {starts, std::vector<int32_t>(rank, 1)});
    starts[axis] += static_cast<int32_t>(l.sizes(node.output(i))[axis]);
  }
}

void lower_concat(Lowering& l, const Node& node) {
  kernels::ConcatProblem problem;
  for (size_t i = 0; i < node.inputs.size(); ++i) problem.inputs.push_back(l.input(node, i));
  problem.y = l.output(node, 0);
  problem.axis = resolve_axis(node.i("axis", 0), problem.y.rank());
  kernels::plan_concat(problem, l.recorder());
}

void lower_expand(Lowering& l, const Node& node) {
  if (l.takes_views(node)) {
    ElementOperand x = l.view(node, 0);
    x.expression = kernels::broadcast(x.expression, l.sizes(node.output(0)));
    return set_view(l, node, 0, std::move(x), "expand");
  }
  kernels::plan_expand({.x = l.input(node, 0), .y = l.output(node, 0)}, l.recorder());
}

void lower_tile(Lowering& l, const Node& node) {
  kernels::plan_tile({.x = l.input(node, 0), .y = l.output(node, 0)}, l.recorder());
}

void lower_pad(Lowering& l, const Node& node) {
  if (const std::string mode = node.s("mode", "constant"); mode != "constant")
    fail("lower", "mode \"{}\" is not supported, only constant", mode);
  const Tensor x = l.input(node, 0);
  const std::vector<int64_t> pads = axes_of(l, node, 1, "pads");
  kernels::PadProblem problem{.x = x, .y = l.output(node, 0), .begins = std::vector<int32_t>(x.rank(), 0), .value = 0};
  const std::vector<int64_t> axes = node.has(3) ? l.constant_ints(node, 3) : std::vector<int64_t>{};
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    const uint32_t axis = axes.empty() ? static_cast<uint32_t>(i) : resolve_axis(axes.at(i), x.rank());
    problem.begins.at(axis) = static_cast<int32_t>(pads[i]);
  }
  problem.value = node.has(2) ? constant_scalar(l, node, 2) : node.f("value", 0);
  kernels::plan_pad(problem, l.recorder());
}

void lower_trilu(Lowering& l, const Node& node) {
  const int32_t k = node.has(1) ? static_cast<int32_t>(l.constant_ints(node, 1).at(0)) : 0;
  kernels::plan_trilu({.x = l.input(node, 0), .y = l.output(node, 0), .k = k, .upper = node.i("upper", 1) != 0},
                      l.recorder());
}

void lower_constant_of_shape(Lowering& l, const Node& node) {
  double value = 0;
  if (const graph::Attribute* attribute = node.find("value"))
    value = first_element(std::get<graph::Constant>(*attribute));
  kernels::plan_fill({.y = l.output(node, 0), .value = value}, l.recorder());
}

// Tables of bytes stay packed where their slices are whole words.
void lower_gather(Lowering& l, const Node& node) {
  const Tensor data = l.input(node, 0);
  const uint32_t axis = resolve_axis(node.i("axis", 0), data.rank());
  const auto plan = [&] {
    plan_in_parts(
        kernels::GatherProblem{
            .data = l.input(node, 0), .indices = l.input(node, 1), .y = l.output(node, 0), .axis = axis},
        l.recorder());
  };
  uint64_t slice = 1;
  for (size_t d = axis + 1; d < data.shape.size(); ++d) slice *= data.shape[d];
  if (data.storage == kernels::Storage::kBytes && slice % 4 != 0) return l.with_whole_bytes(plan);
  plan();
}

void lower_gather_elements(Lowering& l, const Node& node) {
  const Tensor data = l.input(node, 0);
  kernels::plan_gather_elements({.data = data,
                                 .indices = l.input(node, 1),
                                 .y = l.output(node, 0),
                                 .axis = resolve_axis(node.i("axis", 0), data.rank())},
                                l.recorder());
}

void lower_gather_nd(Lowering& l, const Node& node) {
  kernels::plan_gather_nd({.data = l.input(node, 0),
                           .indices = l.input(node, 1),
                           .y = l.output(node, 0),
                           .batch_dims = static_cast<uint32_t>(node.i("batch_dims", 0))},
                          l.recorder());
}

static void lower_gather_4bit(Lowering& l, const Node& node) {
  const graph::Value& data = l.value(node.input(0));
  kernels::Gather4BitProblem problem{.data = l.packed_input(node, 0),
                                     .indices = l.input(node, 1),
                                     .scales = l.input(node, 2),
                                     .zero_points = l.packed_input(node, 3),
                                     .y = l.output(node, 0),
                                     .shape = {},
                                     .is_signed = data.dtype == DType::kInt4,
                                     .block_size = static_cast<uint32_t>(node.i("block_size", 128))};
  for (const graph::Dim& dim : *data.shape) problem.shape.push_back(static_cast<uint32_t>(dim.value));
  problem.gather_axis = resolve_axis(node.i("gather_axis", 0), problem.shape.size());
  problem.quantize_axis = resolve_axis(node.i("quantize_axis", 1), problem.shape.size());
  kernels::plan_gather_4bit(problem, l.recorder());
}

void lower_gather_block_quantized(Lowering& l, const Node& node) {
  const DType type = *l.value(node.input(0)).dtype;
  if (type == DType::kInt4 || type == DType::kUint4) return lower_gather_4bit(l, node);
  plan_in_parts(kernels::GatherBlockQuantizedProblem{.data = l.input(node, 0),
                                                     .indices = l.input(node, 1),
                                                     .scales = l.input(node, 2),
                                                     .zero_points = l.input(node, 3),
                                                     .y = l.output(node, 0),
                                                     .bits = static_cast<uint32_t>(node.i("bits", 4)),
                                                     .block_size = static_cast<uint32_t>(node.i("block_size", 128))},
                l.recorder());
}

kernels::ReduceProblem reduce_problem(Lowering& l, const Node& node, kernels::ReduceOp op) {
  const Tensor x = l.input(node, 0);
  kernels::ReduceProblem problem{.x = x, .y = {}, .axes = {}, .op = op};
  const std::vector<int64_t> axes = axes_of(l, node, 1, "axes");
  for (const int64_t axis : axes) problem.axes.push_back(resolve_axis(axis, x.rank()));
  if (axes.empty() && node.i("noop_with_empty_axes", 0) == 0) {
    for (uint32_t axis = 0; axis < x.rank(); ++axis) problem.axes.push_back(axis);
  }
  return problem;
}

void lower_reduce(Lowering& l, const Node& node, kernels::ReduceOp op) {
  kernels::ReduceProblem problem = reduce_problem(l, node, op);
  problem.y = l.output(node, 0);
  kernels::plan_reduce(problem, l.recorder());
}

static void lower_arg_reduce(Lowering& l, const Node& node, bool is_max) {
  const Tensor x = l.input(node, 0);
  kernels::plan_arg_reduce({.x = x,
                            .y = l.output(node, 0),
                            .axis = resolve_axis(node.i("axis", 0), x.rank()),
                            .is_max = is_max,
                            .select_last_index = node.i("select_last_index", 0) != 0},
                           l.recorder());
}

void lower_arg_max(Lowering& l, const Node& node) { lower_arg_reduce(l, node, true); }
void lower_arg_min(Lowering& l, const Node& node) { lower_arg_reduce(l, node, false); }

void lower_cumsum(Lowering& l, const Node& node) {
  const Tensor x = l.input(node, 0);
  kernels::plan_cumsum({.x = x,
                        .y = l.output(node, 0),
                        .axis = resolve_axis(l.constant_ints(node, 1).at(0), x.rank()),
                        .exclusive = node.i("exclusive", 0) != 0,
                        .reverse = node.i("reverse", 0) != 0},
                       l.recorder());
}

void lower_topk(Lowering& l, const Node& node) {
  kernels::TopKProblem problem;
  problem.x = l.input(node, 0);
  problem.axis = resolve_axis(node.i("axis", -1), problem.x.rank());
  problem.k = static_cast<uint32_t>(node.opset < 10 ? node.i("k", 0) : l.constant_ints(node, 1).at(0));
  problem.largest = node.i("largest", 1) != 0;
  problem.sorted = node.i("sorted", 1) != 0;
  problem.values = l.output(node, 0);
  problem.indices = l.output(node, 1);
  std::vector<uint32_t> shape = problem.x.shape;
  shape[problem.axis] = problem.k;
  if (!problem.values) problem.values = l.recorder().scratch(problem.x.storage, shape);
  if (!problem.indices) problem.indices = l.recorder().scratch(kernels::Storage::kI32, shape);
  kernels::plan_topk(problem, l.recorder());
}

}  // namespace sluice::lower
