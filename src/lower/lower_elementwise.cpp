#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "lower/ops.h"

namespace sluice::lower {

using kernels::ElementArg;
using kernels::ElementOp;
using kernels::ElementProgram;
using kernels::ElementType;
using kernels::Storage;

namespace {

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

void lower_program(Lowering& l, const Node& node, ElementNode problem) {
  const graph::ValueId output = node.output(0);
  const std::vector<uint32_t> shape = l.sizes(output);
  if (std::find(shape.begin(), shape.end(), 0u) != shape.end()) {
    l.output(node, 0);  // nothing to compute
    return;
  }
  if (const auto wrap = wrap_of(l.value(output).dtype.value()))
    problem.program.apply(*wrap, last_result(problem.program));
  ElementOperand x = l.compose(std::move(problem.operands), problem.program, shape);
  const bool joined = x.expression.program.code.size() > problem.program.code.size();
  l.set_elements(node, 0, std::move(x), joined ? "" : problem.name);
}

void lower_unary(Lowering& l, const Node& node, ElementOp op) {
  ElementNode problem{{l.elements(node, 0)}, {}, ""};
  problem.program.apply(op, ElementProgram::input(0));
  lower_program(l, node, std::move(problem));
}

namespace {

// Whether a float tensor is known to hold integers, so that it may become one of integers.
bool holds_integers(const Lowering& l, const Node& node, size_t input) {
  const double value = constant_scalar(l, node, input);
  return value == std::trunc(value);
}

// Op over all inputs from the left, as far as one program goes; what is before becomes the first operand.
ElementNode fold_inputs(Lowering& l, const Node& node, ElementOp op) {
  ElementNode problem{{l.elements(node, 0)}, {}, ""};
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (i > 1) problem = {{l.compose(problem.operands, problem.program, l.sizes(node.output(0)))}, {}, ""};
    problem.operands.push_back(l.elements(node, i));
    problem.program.apply(op, ElementProgram::input(0), ElementProgram::input(1));
  }
  return problem;
}

}  // namespace

// Also the variadic Min and Max.
void lower_binary(Lowering& l, const Node& node, ElementOp op) {
  ElementNode problem = fold_inputs(l, node, op);
  if (node.inputs.size() == 1) problem.program.apply(op, ElementProgram::input(0), ElementProgram::input(0));
  lower_program(l, node, std::move(problem));
}

// Pow alone may mix types: its exponent is converted to its base's.
void lower_pow(Lowering& l, const Node& node) {
  ElementNode problem{{l.elements(node, 0), l.elements(node, 1)}, {}, ""};
  const ElementType base = problem.operands[0].expression.type(), given = problem.operands[1].expression.type();
  ElementArg exponent = ElementProgram::input(1);
  if (base != given) {
    if (given == ElementType::kFloat && !(problem.operands[1].expression.elements() == 1 && holds_integers(l, node, 1)))
      fail("lower", "a float exponent of an integer base must be a whole constant");
    exponent = problem.program.apply(kernels::cast_to(base), exponent);
  }
  problem.program.apply(ElementOp::kPow, ElementProgram::input(0), exponent);
  lower_program(l, node, std::move(problem));
}

static void lower_any_sum(Lowering& l, const Node& node, float factor) {
  ElementNode problem = fold_inputs(l, node, ElementOp::kAdd);
  ElementProgram& p = problem.program;
  if (node.inputs.size() == 1 || factor != 1)
    p.apply(ElementOp::kMul, p.empty() ? ElementProgram::input(0) : last_result(p), p.constant(factor));
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
  ElementNode problem{{l.elements(node, 0)}, {}, ""};
  ElementProgram& p = problem.program;
  p.apply(ElementOp::kQuickGelu, ElementProgram::input(0), p.constant(node.f("alpha", 1.702f)));
  lower_program(l, node, std::move(problem));
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
  const DType from = l.value(node.input(0)).dtype.value(), to = l.value(node.output(0)).dtype.value();
  refuse_lost_values(from, to);
  const bool integers = magnitude_bits(from) != 0 && magnitude_bits(to) != 0;
  const bool wraps = wrap_of(to) && !(integers && holds_all(to, from));
  const gpu::Caps& caps = l.recorder().caps();
  const Storage stored = l.is_expression(node, 0) ? kernels::storage_of(from, caps) : l.input(node, 0).storage;
  if (!wraps && kernels::storage_of(to, caps) == stored) return lower_alias(l, node);
  const ElementType type =
      to == DType::kUint8 ? ElementType::kInt : kernels::element_type(kernels::storage_of(to, caps));
  ElementNode problem{{l.elements(node, 0)}, {}, "elementwise/cast"};
  problem.program.apply(kernels::cast_to(type), ElementProgram::input(0));
  lower_program(l, node, std::move(problem));
}

namespace {

template <class T>
T clamp_to(double value) {
  using Limits = std::numeric_limits<T>;
  return static_cast<T>(std::clamp<double>(value, Limits::lowest(), Limits::max()));
}

// A bound that is absent is infinite, or the type's least or greatest number.
ElementArg clip_constant(ElementProgram& p, ElementType type, double value) {
  if (type == ElementType::kInt) return p.constant(clamp_to<int32_t>(value));
  if (type == ElementType::kUnsigned) return p.constant(clamp_to<uint32_t>(value));
  return p.constant(static_cast<float>(value));
}

ElementArg clip_bound(Lowering& l, const Node& node, size_t input, ElementNode& problem) {
  const bool is_min = input == 1;
  const double infinity = std::numeric_limits<double>::infinity(), absent = is_min ? -infinity : infinity;
  const char* attribute = is_min ? "min" : "max";
  if (!node.has(input)) {
    const bool by_attribute = node.opset < 11 && node.inputs.size() == 1 && node.find(attribute) != nullptr;
    const double value = by_attribute ? node.f(attribute, 0) : absent;
    return clip_constant(problem.program, problem.operands[0].expression.type(), value);
  }
  const kernels::ElementExpression bound = l.elements(node, input).expression;
  if (bound.elements() != 1) fail("clip", "a bound must have 1 element, got {}", bound.elements());
  problem.operands.emplace_back(*kernels::reshaped(bound, {}), graph::kNoValue);
  return ElementProgram::input(static_cast<uint32_t>(problem.operands.size() - 1));
}

}  // namespace

void lower_clip(Lowering& l, const Node& node) {
  ElementNode problem{{l.elements(node, 0)}, {}, ""};
  const ElementArg low = clip_bound(l, node, 1, problem), high = clip_bound(l, node, 2, problem);
  problem.program.apply(ElementOp::kClip, ElementProgram::input(0), low, high);
  lower_program(l, node, std::move(problem));
}

void lower_where(Lowering& l, const Node& node) {
  ElementNode problem{{l.elements(node, 0), l.elements(node, 1), l.elements(node, 2)}, {}, ""};
  problem.program.apply(ElementOp::kWhere, ElementProgram::input(0), ElementProgram::input(1),
                        ElementProgram::input(2));
  lower_program(l, node, std::move(problem));
}

}  // namespace sluice::lower
