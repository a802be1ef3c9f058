// Programs of one ONNX operator, and the building of programs.
#include <algorithm>
#include <bit>

#include "kernels/elementwise/elementwise.h"

namespace sluice::kernels {
ElementOp cast_to(ElementType type) {
  switch (type) {
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

ElementArg ElementProgram::constant(ElementConstant value) {
  const auto found = std::find(constants.begin(), constants.end(), value);
  const auto index = found - constants.begin();
  if (found == constants.end()) constants.push_back(value);
  return {ElementArg::Kind::kConstant, static_cast<uint8_t>(index)};
}
ElementArg ElementProgram::constant(float value) {
  return constant(ElementConstant{ElementType::kFloat, std::bit_cast<uint32_t>(value)});
}
ElementArg ElementProgram::constant(int32_t value) {
  return constant(ElementConstant{ElementType::kInt, static_cast<uint32_t>(value)});
}
ElementArg ElementProgram::constant(uint32_t value) { return constant(ElementConstant{ElementType::kUnsigned, value}); }
ElementArg ElementProgram::constant(bool value) {
  return constant(ElementConstant{ElementType::kBool, value ? 1u : 0u});
}

ElementArg ElementProgram::apply(ElementOp op, ElementArg a, ElementArg b, ElementArg c) {
  code.push_back({op, {a, b, c}});
  return {ElementArg::Kind::kResult, static_cast<uint8_t>(code.size() - 1)};
}

void plan_unary(ElementOp op, const Tensor& x, const Tensor& y, Recorder& recorder) {
  ElementwiseProblem plan{{x}, y, {}, ""};
  plan.program.apply(op, ElementProgram::input(0));
  plan_elementwise(plan, recorder);
}

void plan_binary(ElementOp op, const Tensor& a, const Tensor& b, const Tensor& y, Recorder& recorder) {
  ElementwiseProblem plan{{a, b}, y, {}, ""};
  plan.program.apply(op, ElementProgram::input(0), ElementProgram::input(1));
  plan_elementwise(plan, recorder);
}

void plan_cast(const Tensor& x, const Tensor& y, Recorder& recorder) {
  ElementwiseProblem plan{{x}, y, {}, "elementwise/cast"};
  plan.program.apply(cast_to(element_type(y.storage)), ElementProgram::input(0));
  plan_elementwise(plan, recorder);
}

}  // namespace sluice::kernels
