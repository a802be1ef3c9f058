// Programs of one ONNX operator, and the building of programs.
#include <algorithm>
#include <bit>
#include <limits>

#include "kernels/elementwise/elementwise.h"

namespace sluice::kernels {
namespace {

ElementArg add_constant(ElementProgram& program, ElementConstant value) {
  const auto found = std::find(program.constants.begin(), program.constants.end(), value);
  const auto index = found - program.constants.begin();
  if (found == program.constants.end()) program.constants.push_back(value);
  return {ElementArg::Kind::kConstant, static_cast<uint8_t>(index)};
}

ElementOp cast_to(Storage storage) {
  switch (element_type(storage)) {
    case ElementType::kFloat:
      return ElementOp::kToFloat;
    case ElementType::kInt:
      return ElementOp::kToInt;
    case ElementType::kBool:
      return ElementOp::kToBool;
    case ElementType::kUnsigned:
      return ElementOp::kToUnsigned;
    case ElementType::kNone:
      break;
  }
  fail("cast", "packed bytes (uint8) are not supported");
}

ElementArg add_cast(const Tensor& x, const Tensor& y, ElementProgram& program) {
  if (element_type(x.storage) == ElementType::kNone) fail("cast", "packed bytes (uint8) are not supported");
  return program.apply(cast_to(y.storage), ElementProgram::input(0));
}

// A bound that is absent becomes the type's least or greatest value.
ElementArg clip_bound(const ClipProblem& problem, bool is_min, ElementwiseProblem& plan) {
  const Tensor& tensor = is_min ? problem.min : problem.max;
  if (tensor) {
    if (tensor.elements() != 1) fail("clip", "a bound must have 1 element, got {}", tensor.elements());
    plan.inputs.push_back({tensor.slot, tensor.storage, {}});
    return ElementProgram::input(static_cast<uint32_t>(plan.inputs.size() - 1));
  }
  const bool has = is_min ? problem.has_min : problem.has_max;
  const double value = is_min ? problem.min_value : problem.max_value;
  if (element_type(problem.x.storage) == ElementType::kInt) {
    using Limits = std::numeric_limits<int32_t>;
    const double clamped = std::clamp<double>(value, Limits::min(), Limits::max());
    return plan.program.constant(has ? static_cast<int32_t>(clamped) : is_min ? Limits::min() : Limits::max());
  }
  if (element_type(problem.x.storage) == ElementType::kUnsigned) {
    const double most = std::numeric_limits<uint32_t>::max();
    return plan.program.constant(static_cast<uint32_t>(has ? std::clamp(value, 0.0, most) : is_min ? 0 : most));
  }
  const float infinity = std::numeric_limits<float>::infinity();
  return plan.program.constant(has ? static_cast<float>(value) : is_min ? -infinity : infinity);
}

}  // namespace

ElementArg ElementProgram::constant(float value) {
  return add_constant(*this, {ElementType::kFloat, std::bit_cast<uint32_t>(value)});
}
ElementArg ElementProgram::constant(int32_t value) {
  return add_constant(*this, {ElementType::kInt, static_cast<uint32_t>(value)});
}
ElementArg ElementProgram::constant(uint32_t value) { return add_constant(*this, {ElementType::kUnsigned, value}); }
ElementArg ElementProgram::constant(bool value) { return add_constant(*this, {ElementType::kBool, value ? 1u : 0u}); }

ElementArg ElementProgram::apply(ElementOp op, ElementArg a, ElementArg b, ElementArg c) {
  code.push_back({op, {a, b, c}});
  return {ElementArg::Kind::kResult, static_cast<uint8_t>(code.size() - 1)};
}

void plan_unary(ElementOp op, const Tensor& x, const Tensor& y, Recorder& recorder) {
  ElementwiseProblem plan{{x}, y, {}, ""};
  plan.program.apply(op, ElementProgram::input(0));
  plan_elementwise(plan, recorder);
}

void plan_quick_gelu(const Tensor& x, const Tensor& y, float alpha, Recorder& recorder) {
  ElementwiseProblem plan{{x}, y, {}, ""};
  plan.program.apply(ElementOp::kQuickGelu, ElementProgram::input(0), plan.program.constant(alpha));
  plan_elementwise(plan, recorder);
}

void plan_binary(ElementOp op, const Tensor& a, const Tensor& b, const Tensor& y, Recorder& recorder) {
  ElementwiseProblem plan{{a, b}, y, {}, ""};
  plan.program.apply(op, ElementProgram::input(0), ElementProgram::input(1));
  plan_elementwise(plan, recorder);
}

void plan_variadic(ElementOp op, const std::vector<Tensor>& inputs, const Tensor& y, Recorder& recorder) {
  if (op != ElementOp::kAdd && op != ElementOp::kMin && op != ElementOp::kMax) {
    fail("elementwise", "{} does not take any number of inputs", name(op));
  }
  if (inputs.empty()) fail("elementwise", "{} needs an input", name(op));
  if (inputs.size() == 1) return plan_cast(inputs[0], y, recorder);
  ElementwiseProblem plan{inputs, y, {}, ""};
  ElementArg all = ElementProgram::input(0);
  for (uint32_t k = 1; k < inputs.size(); ++k) all = plan.program.apply(op, all, ElementProgram::input(k));
  plan_elementwise(plan, recorder);
}

void plan_where(const Tensor& condition, const Tensor& a, const Tensor& b, const Tensor& y, Recorder& recorder) {
  ElementwiseProblem plan{{condition, a, b}, y, {}, ""};
  plan.program.apply(ElementOp::kWhere, ElementProgram::input(0), ElementProgram::input(1), ElementProgram::input(2));
  plan_elementwise(plan, recorder);
}

void plan_cast(const Tensor& x, const Tensor& y, Recorder& recorder) {
  ElementwiseProblem plan{{x}, y, {}, "elementwise/cast"};
  add_cast(x, y, plan.program);
  plan_elementwise(plan, recorder);
}

void plan_wrapping_cast(const Tensor& x, const Tensor& y, ElementOp wrap, Recorder& recorder) {
  ElementwiseProblem plan{{x}, y, {}, "elementwise/cast"};
  plan.program.apply(wrap, add_cast(x, y, plan.program));
  plan_elementwise(plan, recorder);
}

void plan_clip(const ClipProblem& problem, Recorder& recorder) {
  ElementwiseProblem plan{{problem.x}, problem.y, {}, ""};
  const ElementArg low = clip_bound(problem, true, plan);
  const ElementArg high = clip_bound(problem, false, plan);
  plan.program.apply(ElementOp::kClip, ElementProgram::input(0), low, high);
  plan_elementwise(plan, recorder);
}

}  // namespace sluice::kernels
