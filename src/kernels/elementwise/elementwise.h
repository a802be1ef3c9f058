// Element-wise operators as a small expression machine: y[i] = program(x0[i], x1[i], ...), inputs broadcast as in
// NumPy.
//
// A program is a list of instructions in SSA order over the inputs, earlier results and constants. A single operator is
// a program of one instruction; a fuser joins a chain by appending its instructions, and the whole chain stays one
// dispatch. The WGSL body is put together from a fixed table (operator, operand types) -> expression, and is part of
// the shader's key; constants travel as uniforms, so that programs that differ only in them share a pipeline.
//
// Registers hold 32-bit floats (kF32 and kF16 tensors), int32 (kI32), uint32 (kUnsigned) or bool (kU32 tensors).
// float16 is computed in float32 and rounded once, when the output is stored. NaN and infinities follow ONNX Runtime's
// CPU provider; see each operator.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/common/plan.h"

namespace sluice::kernels {

enum class ElementType : uint8_t { kNone, kFloat, kInt, kBool, kUnsigned };

enum class ElementOp : uint8_t {
  // float or int -> same type
  kAbs,
  kNeg,
  kSign,
  kRelu,
  // float -> float
  kExp,
  kLog,
  kSqrt,
  kRsqrt,
  kReciprocal,
  kSigmoid,
  kTanh,
  kGelu,
  kGeluTanh,
  kSilu,
  kSoftplus,
  kErf,
  kSin,
  kCos,
  kTan,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kAsinh,
  kAcosh,
  kAtanh,
  kFloor,
  kCeil,
  kRound,      // half to even
  kQuickGelu,  // a * sigmoid(b * a): the second operand is alpha
  // bool -> bool, float -> bool
  kNot,
  kIsNan,
  kIsInf,
  // int or unsigned -> same type; shifts of unsigned only
  kBitNot,
  kBitAnd,
  kBitOr,
  kBitXor,
  kShiftLeft,
  kShiftRight,
  // two of float or int -> same type. Min and Max: NaN if either is. Div of ints truncates, by zero gives the dividend.
  // Mod takes the divisor's sign (ints only in ONNX), Fmod the dividend's. Pow of ints: a negative exponent truncates
  // 1/a^|b|.
  kAdd,
  kSub,
  kMul,
  kDiv,
  kPow,
  kMin,
  kMax,
  kMod,
  kFmod,
  // two bools -> bool
  kAnd,
  kOr,
  kXor,
  // two of one type -> bool; a comparison with NaN is false, kNotEqual true
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  // (bool, T, T) -> T
  kWhere,
  // (T, low, high) -> T: min(max(a, low), high); NaN stays NaN
  kClip,
  // any -> float, int (truncates; saturates or not beyond int32, as the device does) or bool (not zero; NaN is true)
  kToFloat,
  kToInt,
  kToBool,
  // float, int (its bits) or bool -> uint32
  kToUnsigned,
  // int -> int: the value modulo 2^8 or 2^16, as a narrower type holds it
  kWrapInt8,
  kWrapInt16,
  kWrapUint16,
};

std::string_view name(ElementOp op);

// An operand of an instruction: input, earlier result or constant, by index.
struct ElementArg {
  enum class Kind : uint8_t { kNone, kInput, kResult, kConstant };
  Kind kind = Kind::kNone;
  uint8_t index = 0;
  bool operator==(const ElementArg&) const = default;
};

struct ElementInstruction {
  ElementOp op = ElementOp::kToFloat;
  ElementArg args[3] = {};
  bool operator==(const ElementInstruction&) const = default;
};

struct ElementConstant {
  ElementType type = ElementType::kFloat;
  uint32_t bits = 0;  // of the number, or 0 / 1
  bool operator==(const ElementConstant&) const = default;
};

constexpr uint32_t kMaxElementRank = 8;  // of outputs, after dimensions that are walked as one are joined

struct ElementProgram {
  static constexpr uint32_t kMaxInputs = 6, kMaxInstructions = 32, kMaxConstants = 16;

  std::vector<ElementInstruction> code;  // the last result is the output
  std::vector<ElementConstant> constants;

  bool empty() const { return code.empty(); }
  static ElementArg input(uint32_t index) { return {ElementArg::Kind::kInput, static_cast<uint8_t>(index)}; }
  ElementArg constant(ElementConstant value);  // the one that is there, if its type and bits are the same
  ElementArg constant(float value);
  ElementArg constant(int32_t value);
  ElementArg constant(uint32_t value);
  ElementArg constant(bool value);
  // Appends an instruction; returns its result.
  ElementArg apply(ElementOp op, ElementArg a, ElementArg b = {}, ElementArg c = {});
  bool operator==(const ElementProgram&) const = default;
};

// Result type of an operator over operand types, kNone if it does not take them: what a fuser asks before it joins a
// node.
ElementType result_type(ElementOp op, ElementType a, ElementType b = ElementType::kNone,
                        ElementType c = ElementType::kNone);
ElementType element_type(Storage storage);  // kNone for kBytes

// A tensor and how it is read: broadcast to the output's shape, or from an element on by strides along the output's
// dimensions, as slices and transposes of it are.
struct ElementInput {
  ElementInput(Tensor whole) : tensor(std::move(whole)) {}  // NOLINT(google-explicit-constructor)
  ElementInput(Tensor of, int64_t first, std::vector<int64_t> steps)
      : tensor(std::move(of)), offset(first), strides(std::move(steps)) {}

  Tensor tensor;
  int64_t offset = 0;
  std::optional<std::vector<int64_t>> strides;

  // The strides along `shape`. Throws Error "elementwise" if the tensor does not broadcast to it or would be left.
  std::vector<int64_t> strides_along(const std::vector<uint32_t>& shape) const;
};

// inputs: at most 6 (rank at most 8 after contiguous dimensions are joined, at most 2^32 - 1 elements). The output's
// slot must not be an input's. An empty output records nothing. Throws Error "elementwise" for too many inputs,
// instructions or constants, types that an operator does not take, an output storage that disagrees with the result,
// shapes that do not broadcast, strides that leave their tensor.
struct ElementwiseProblem {
  std::vector<ElementInput> inputs;
  Tensor output;
  ElementProgram program;
  std::string name;  // shown in profiles; empty: the names of the operators
};

void plan_elementwise(const ElementwiseProblem& problem, Recorder& recorder);

// The operator that converts to a type. Throws Error "cast" for kNone.
ElementOp cast_to(ElementType type);

// Programs of one operator. Operands are converted to no other type (Pow with an int exponent is taken as it is).
void plan_unary(ElementOp op, const Tensor& x, const Tensor& y, Recorder& recorder);
void plan_binary(ElementOp op, const Tensor& a, const Tensor& b, const Tensor& y, Recorder& recorder);
// Converts between kF32, kF16, kI32, kU32 (bool) and kUnsigned by the storages of x and y.
void plan_cast(const Tensor& x, const Tensor& y, Recorder& recorder);

}  // namespace sluice::kernels
