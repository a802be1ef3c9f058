#include <algorithm>

#include "base/error.h"
#include "lower/ops.h"

namespace sluice::lower {

using kernels::ElementOp;
using kernels::Storage;

void lower_unary(Lowering& l, const Node& node, ElementOp op) {
  kernels::plan_unary(op, l.input(node, 0), l.output(node, 0), l.recorder());
}

// Also the variadic Sum, Min and Max, of any number of inputs. Pow alone may mix types: its exponent is converted to
// its base's.
void lower_binary(Lowering& l, const Node& node, ElementOp op) {
  const Tensor y = l.output(node, 0);
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(l.input(node, i));
  if (inputs.size() == 2) {
    if (op == ElementOp::kPow && kernels::element_type(inputs[0].storage) != kernels::element_type(inputs[1].storage)) {
      const Tensor converted = l.recorder().scratch(inputs[0].storage, inputs[1].shape);
      kernels::plan_cast(inputs[1], converted, l.recorder());
      inputs[1] = converted;
    }
    kernels::plan_binary(op, inputs[0], inputs[1], y, l.recorder());
  } else {
    kernels::plan_variadic(op, inputs, y, l.recorder());
  }
}

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
  const bool wraps = (to == kInt8 || to == kInt16 || to == kUint16) && !(integers && holds_all(to, from));
  if (!wraps && kernels::storage_of(to, l.recorder().caps()) == x.storage) return l.alias(node, 0, x);
  if (!wraps) return kernels::plan_cast(x, l.output(node, 0), l.recorder());
  const ElementOp wrap = to == kInt8    ? ElementOp::kWrapInt8
                         : to == kInt16 ? ElementOp::kWrapInt16
                                        : ElementOp::kWrapUint16;
  kernels::plan_wrapping_cast(x, l.output(node, 0), wrap, l.recorder());
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
