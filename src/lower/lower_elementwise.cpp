#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "lower/ops.h"

namespace sluice::lower {

using kernels::ElementOp;
using kernels::Storage;

namespace {

using kernels::ElementProgram;

// The operator that brings a result into a narrow type's range; nothing for types that fill their storage, and for
// uint8, whose packing does.
std::optional<ElementOp> wrap_of(DType type) {
  switch (type) {
    case DType::kInt8:
      return ElementOp::kWrapInt8;
    case DType::kInt16:
      return ElementOp::kWrapInt16;
    case DType::kUint16:
      return ElementOp::kWrapUint16;
    default:
      return std::nullopt;
  }
}

kernels::ElementArg last_result(const ElementProgram& program) {
  return {kernels::ElementArg::Kind::kResult, static_cast<uint8_t>(program.code.size() - 1)};
}

}  // namespace

void lower_program(Lowering& l, const Node& node, kernels::ElementwiseProblem problem) {
  const std::optional<ElementOp> wrap = wrap_of(l.value(node.output(0)).dtype.value());
  if (wrap) problem.program.apply(*wrap, last_result(problem.program));
  problem.output = l.output(node, 0);
  kernels::plan_elementwise(problem, l.recorder());
}

void lower_unary(Lowering& l, const Node& node, ElementOp op) {
  kernels::ElementwiseProblem problem{{l.input(node, 0)}, {}, {}, ""};
  problem.program.apply(op, ElementProgram::input(0));
  lower_program(l, node, std::move(problem));
}

namespace {

// Sums and the like of more inputs than one program takes: the first ones are joined in a scratch tensor.
void join_first(Lowering& l, const Node& node, ElementOp op, std::vector<Tensor>& inputs) {
  const std::vector<Tensor> first(inputs.begin(), inputs.begin() + ElementProgram::kMaxInputs);
  const Tensor y = l.output(node, 0);
  const Tensor joined = l.recorder().scratch(inputs[0].storage, y.shape);
  kernels::plan_variadic(op, first, joined, l.recorder());
  inputs.erase(inputs.begin(), inputs.begin() + ElementProgram::kMaxInputs);
  inputs.insert(inputs.begin(), joined);
}

// Whether a float tensor is known to hold integers, so that it may become one of integers.
bool holds_integers(const Lowering& l, const Node& node, size_t input) {
  const double value = constant_scalar(l, node, input);
  return value == std::trunc(value);
}

// Pow alone may mix types: its exponent is converted to its base's.
Tensor exponent(Lowering& l, const Node& node, const Tensor& base) {
  const Tensor given = l.input(node, 1);
  const auto type = kernels::element_type(given.storage), wanted = kernels::element_type(base.storage);
  if (type == wanted) return given;
  const bool is_float = type == kernels::ElementType::kFloat;
  if (is_float && !(given.elements() == 1 && holds_integers(l, node, 1)))
    fail("lower", "a float exponent of an integer base must be a whole constant");
  const Tensor converted = l.recorder().scratch(base.storage, given.shape);
  kernels::plan_cast(given, converted, l.recorder());
  return converted;
}

}  // namespace

// Also the variadic Sum, Min and Max.
void lower_binary(Lowering& l, const Node& node, ElementOp op) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    inputs.push_back(op == ElementOp::kPow && i == 1 ? exponent(l, node, inputs[0]) : l.input(node, i));
  }
  while (inputs.size() > ElementProgram::kMaxInputs) join_first(l, node, op, inputs);
  kernels::ElementwiseProblem problem{inputs, {}, {}, ""};
  kernels::ElementArg all = ElementProgram::input(0);
  for (uint32_t k = 1; k < inputs.size(); ++k) all = problem.program.apply(op, all, ElementProgram::input(k));
  if (inputs.size() == 1) problem.program.apply(op, all, all);  // Min and Max; the sum of one is lower_sum's
  lower_program(l, node, std::move(problem));
}

// The sum or mean of any number of tensors.
static void lower_any_sum(Lowering& l, const Node& node, float factor) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(l.input(node, i));
  while (inputs.size() > ElementProgram::kMaxInputs) join_first(l, node, ElementOp::kAdd, inputs);
  kernels::ElementwiseProblem problem{inputs, {}, {}, ""};
  auto& program = problem.program;
  kernels::ElementArg all = ElementProgram::input(0);
  for (uint32_t k = 1; k < inputs.size(); ++k) all = program.apply(ElementOp::kAdd, all, ElementProgram::input(k));
  if (inputs.size() == 1 || factor != 1) program.apply(ElementOp::kMul, all, program.constant(factor));
  lower_program(l, node, std::move(problem));
}

void lower_sum(Lowering& l, const Node& node) { lower_any_sum(l, node, 1); }
void lower_mean(Lowering& l, const Node& node) { lower_any_sum(l, node, 1 / static_cast<float>(node.inputs.size())); }

void lower_mod(Lowering& l, const Node& node) {
  lower_binary(l, node, node.i("fmod", 0) != 0 ? ElementOp::kFmod : ElementOp::kMod);
}

void lower_gelu(Lowering& l, const Node& node) {
  lower_unary(l, node, node.s("approximate", "none") == "tanh" ? ElementOp::kGeluTanh : ElementOp::kGelu);
}

void lower_quick_gelu(Lowering& l, const Node& node) {
  kernels::plan_quick_gelu(l.input(node, 0), l.output(node, 0), node.f("alpha", 1.702f), l.recorder());
}

namespace {

// Bits of an integer on the device, its sign apart; 0 for other types.
uint32_t magnitude_bits(DType type) {
  const bool is_integer = type >= DType::kInt64 && type <= DType::kUint8;
  const bool is_signed = type <= DType::kInt8;
  return is_integer ? std::min(bits(type), 32u) - (is_signed ? 1 : 0) : 0;
}

bool is_unsigned(DType type) { return type >= DType::kUint64 && type <= DType::kBool; }

// Whether every value of a type is one of another.
bool holds_all(DType to, DType from) {
  return magnitude_bits(to) >= magnitude_bits(from) && (is_unsigned(from) || !is_unsigned(to));
}

// The 64-bit integers are 32 bits on the device: a uint32 beyond int32, or a negative number, would become another one.
void refuse_lost_values(DType from, DType to) {
  const bool to_wide = to == DType::kInt64 || to == DType::kUint64;
  if (!to_wide || magnitude_bits(from) == 0 || holds_all(to, from)) return;
  fail("lower", "a cast from {} to {} is not supported: on the GPU {} has 32 bits", name(from), name(to), name(to));
}

}  // namespace

// Types of one storage need no work where no value has to wrap: int32 and int64, or on a device without f16 float and
// float16.
void lower_cast(Lowering& l, const Node& node) {
  using enum DType;
  const Tensor x = l.input(node, 0);
  const DType from = l.value(node.input(0)).dtype.value(), to = l.value(node.output(0)).dtype.value();
  refuse_lost_values(from, to);
  const bool integers = magnitude_bits(from) != 0 && magnitude_bits(to) != 0;
  const bool wraps = wrap_of(to) && !(integers && holds_all(to, from));
  if (!wraps && kernels::storage_of(to, l.recorder().caps()) == x.storage) return l.alias(node, 0, x);
  if (!wraps) return kernels::plan_cast(x, l.output(node, 0), l.recorder());
  kernels::plan_wrapping_cast(x, l.output(node, 0), *wrap_of(to), l.recorder());
}

void lower_clip(Lowering& l, const Node& node) {
  kernels::ClipProblem problem;
  problem.x = l.input(node, 0);
  if (node.opset >= 11 || node.inputs.size() > 1) {
    problem.min = l.input(node, 1);
    problem.max = l.input(node, 2);
  } else {
    problem.has_min = node.find("min") != nullptr;
    problem.has_max = node.find("max") != nullptr;
    problem.min_value = node.f("min", 0);
    problem.max_value = node.f("max", 0);
  }
  problem.y = l.output(node, 0);
  kernels::plan_clip(problem, l.recorder());
}

void lower_where(Lowering& l, const Node& node) {
  kernels::plan_where(l.input(node, 0), l.input(node, 1), l.input(node, 2), l.output(node, 0), l.recorder());
}

}  // namespace sluice::lower
