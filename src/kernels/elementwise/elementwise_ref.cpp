#include "kernels/elementwise/elementwise_ref.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/common/strides.h"

namespace sluice::kernels {
namespace {

using enum ElementOp;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double sign(double x) { return std::isnan(x) ? x : (x > 0) - (x < 0); }

double float_unary(ElementOp op, double x) {
  switch (op) {
    case kAbs:
      return std::fabs(x);
    case kNeg:
      return -x;
    case kSign:
      return sign(x);
    case kRelu:
      return x < 0 ? 0 : x;
    case kExp:
      return std::exp(x);
    case kLog:
      return std::log(x);
    case kSqrt:
      return std::sqrt(x);
    case kRsqrt:
      return 1 / std::sqrt(x);
    case kReciprocal:
      return 1 / x;
    case kSigmoid:
      return sigmoid(x);
    case kTanh:
      return std::tanh(x);
    case kGelu:
      return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
    case kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case kSilu:
      return x * sigmoid(x);
    case kSoftplus:
      return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    case kErf:
      return std::erf(x);
    case kSin:
      return std::sin(x);
    case kCos:
      return std::cos(x);
    case kTan:
      return std::tan(x);
    case kAsin:
      return std::asin(x);
    case kAcos:
      return std::acos(x);
    case kAtan:
      return std::atan(x);
    case kSinh:
      return std::sinh(x);
    case kCosh:
      return std::cosh(x);
    case kAsinh:
      return std::asinh(x);
    case kAcosh:
      return std::acosh(x);
    case kAtanh:
      return std::atanh(x);
    case kFloor:
      return std::floor(x);
    case kCeil:
      return std::ceil(x);
    case kRound:
      return std::nearbyint(x);
    case kIsNan:
      return std::isnan(x);
    default:
      return kNan;
  }
}

double float_binary(ElementOp op, double a, double b) {
  switch (op) {
    case kQuickGelu:
      return a * sigmoid(b * a);
    case kAdd:
      return a + b;
    case kSub:
      return a - b;
    case kMul:
      return a * b;
    case kDiv:
      return a / b;
    case kPow:
      return std::pow(a, b);
    case kMin:
      return std::isnan(a) || std::isnan(b) ? kNan : std::min(a, b);
    case kMax:
      return std::isnan(a) || std::isnan(b) ? kNan : std::max(a, b);
    case kFmod:
      return std::fmod(a, b);
    default:
      return kNan;
  }
}

int64_t int_pow(int64_t a, int64_t b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  uint32_t result = 1;
  for (int64_t i = 0; i < b; ++i) result *= static_cast<uint32_t>(a);
  return static_cast<int32_t>(result);
}

int64_t int_apply(ElementOp op, int64_t a, int64_t b) {
  switch (op) {
    case kAbs:
      return std::abs(a);
    case kNeg:
      return -a;
    case kSign:
      return (a > 0) - (a < 0);
    case kRelu:
      return std::max<int64_t>(a, 0);
    case kBitNot:
      return ~a;
    case kShiftLeft:
      return b < 0 || b > 31 ? 0 : static_cast<int64_t>(static_cast<uint32_t>(a) << b);
    case kShiftRight:
      return b < 0 || b > 31 ? 0 : static_cast<int64_t>(static_cast<uint32_t>(a) >> b);
    case kBitAnd:
      return a & b;
    case kBitOr:
      return a | b;
    case kBitXor:
      return a ^ b;
    case kAdd:
      return a + b;
    case kSub:
      return a - b;
    case kMul:  // of uint32 it may take 64 bits without a sign
      return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    case kDiv:
      return b == 0 ? a : a / b;
    case kPow:
      return int_pow(a, b);
    case kMin:
      return std::min(a, b);
    case kMax:
      return std::max(a, b);
    case kFmod:
      return b == 0 ? 0 : a % b;
    case kMod:
      return b == 0 ? 0 : (a % b + b) % b;
    case kWrapInt8:
      return static_cast<int8_t>(a);
    case kWrapInt16:
      return static_cast<int16_t>(a);
    case kWrapUint16:
      return static_cast<uint16_t>(a);
    default:
      return 0;
  }
}

// Comparisons and logic, over any type.
double compare(ElementOp op, double a, double b) {
  switch (op) {
    case kNot:
      return a == 0;
    case kAnd:
      return a != 0 && b != 0;
    case kOr:
      return a != 0 || b != 0;
    case kXor:
    case kNotEqual:
      return a != b;
    case kEqual:
      return a == b;
    case kLess:
      return a < b;
    case kLessOrEqual:
      return a <= b;
    case kGreater:
      return a > b;
    case kGreaterOrEqual:
      return a >= b;
    default:
      return kNan;
  }
}

struct Operands {
  double v[3] = {};
  ElementType type[3] = {};
};

double apply(ElementOp op, const Operands& x) {
  switch (op) {
    case kWhere:
      return x.v[0] != 0 ? x.v[1] : x.v[2];
    case kClip:
      return std::isnan(x.v[0]) ? x.v[0] : std::min(std::max(x.v[0], x.v[1]), x.v[2]);
    case kToFloat:
      return static_cast<float>(x.v[0]);
    case kToInt:
      return x.type[0] == ElementType::kUnsigned ? static_cast<int32_t>(static_cast<uint32_t>(x.v[0]))
                                                 : std::trunc(x.v[0]);
    case kToBool:
      return x.v[0] != 0;
    case kToUnsigned:
      if (x.type[0] == ElementType::kFloat) return std::trunc(std::clamp(x.v[0], 0.0, 4294967295.0));
      return static_cast<uint32_t>(static_cast<int64_t>(x.v[0]));
    default:
      break;
  }
  const ElementType result = result_type(op, x.type[0], x.type[1], x.type[2]);
  if (result == ElementType::kBool) {
    if (op == kIsNan) return std::isnan(x.v[0]);
    if (op == kIsInf) return std::isinf(x.v[0]);
    return compare(op, x.v[0], x.v[1]);
  }
  if (result == ElementType::kInt) {
    return static_cast<int32_t>(int_apply(op, static_cast<int64_t>(x.v[0]), static_cast<int64_t>(x.v[1])));
  }
  if (result == ElementType::kUnsigned) {
    return static_cast<uint32_t>(int_apply(op, static_cast<int64_t>(x.v[0]), static_cast<int64_t>(x.v[1])));
  }
  const bool unary = x.type[1] == ElementType::kNone;
  return static_cast<float>(unary ? float_unary(op, x.v[0]) : float_binary(op, x.v[0], x.v[1]));
}

double constant_value(const ElementConstant& constant) {
  if (constant.type == ElementType::kFloat) return std::bit_cast<float>(constant.bits);
  if (constant.type == ElementType::kInt) return static_cast<int32_t>(constant.bits);
  if (constant.type == ElementType::kUnsigned) return constant.bits;
  return constant.bits != 0;
}

// The value and type of each operand's register for one element.
double run(const ElementwiseProblem& problem, const std::vector<double>& inputs) {
  std::vector<double> values;
  std::vector<ElementType> types;
  for (const ElementInstruction& instruction : problem.program.code) {
    Operands operands;
    for (int k = 0; k < 3; ++k) {
      const ElementArg arg = instruction.args[k];
      if (arg.kind == ElementArg::Kind::kInput) {
        operands.v[k] = inputs[arg.index];
        operands.type[k] = element_type(problem.inputs[arg.index].tensor.storage);
      } else if (arg.kind == ElementArg::Kind::kResult) {
        operands.v[k] = values[arg.index];
        operands.type[k] = types[arg.index];
      } else if (arg.kind == ElementArg::Kind::kConstant) {
        operands.v[k] = constant_value(problem.program.constants[arg.index]);
        operands.type[k] = problem.program.constants[arg.index].type;
      }
    }
    values.push_back(apply(instruction.op, operands));
    types.push_back(result_type(instruction.op, operands.type[0], operands.type[1], operands.type[2]));
  }
  return values.back();
}

}  // namespace

std::vector<double> elementwise_ref(const ElementwiseProblem& problem, const std::vector<std::vector<double>>& inputs) {
  const auto& shape = problem.output.shape;
  std::vector<std::vector<int64_t>> strides;
  for (const ElementInput& x : problem.inputs) strides.push_back(x.strides_along(shape));
  std::vector<double> result;
  std::vector<double> values(inputs.size());
  for (uint64_t i = 0; i < problem.output.elements(); ++i) {
    for (size_t k = 0; k < inputs.size(); ++k) {
      uint64_t rest = i;
      int64_t at = problem.inputs[k].offset;
      for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) {
        at += static_cast<int64_t>(rest % shape[d]) * strides[k][d];
      }
      values[k] = inputs[k][static_cast<size_t>(at)];
    }
    result.push_back(run(problem, values));
  }
  return result;
}

}  // namespace sluice::kernels
