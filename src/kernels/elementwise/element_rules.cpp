#include "kernels/elementwise/element_rules.h"

namespace sluice::kernels {
namespace {

using enum ElementOp;

constexpr ElementRule kRules[] = {
    {kAbs, "f", 'f', "abs($0)"},
    {kAbs, "i", 'i', "abs($0)"},
    {kNeg, "f", 'f', "-$0"},
    {kNeg, "i", 'i', "-$0"},
    {kSign, "f", 'f', "sign_f($0)"},
    {kSign, "i", 'i', "sign($0)"},
    {kRelu, "f", 'f', "relu_f($0)"},
    {kRelu, "i", 'i', "max($0, I(0))"},
    {kExp, "f", 'f', "exp_f($0)"},
    {kLog, "f", 'f', "log_f($0)"},
    {kSqrt, "f", 'f', "sqrt_f($0)"},
    {kRsqrt, "f", 'f', "rsqrt_f($0)"},
    {kReciprocal, "f", 'f', "F(1.0) / $0"},
    {kSigmoid, "f", 'f', "sigmoid_f($0)"},
    {kTanh, "f", 'f', "tanh_f($0)"},
    {kGelu, "f", 'f', "gelu_f($0)"},
    {kGeluTanh, "f", 'f', "gelu_tanh_f($0)"},
    {kSilu, "f", 'f', "$0 * sigmoid_f($0)"},
    {kSoftplus, "f", 'f', "softplus_f($0)"},
    {kErf, "f", 'f', "erf_f($0)"},
    {kSin, "f", 'f', "sin_f($0)"},
    {kCos, "f", 'f', "cos_f($0)"},
    {kTan, "f", 'f', "tan_f($0)"},
    {kAsin, "f", 'f', "asin_f($0)"},
    {kAcos, "f", 'f', "acos_f($0)"},
    {kAtan, "f", 'f', "atan_f($0)"},
    {kSinh, "f", 'f', "sinh_f($0)"},
    {kCosh, "f", 'f', "cosh_f($0)"},
    {kAsinh, "f", 'f', "asinh_f($0)"},
    {kAcosh, "f", 'f', "acosh_f($0)"},
    {kAtanh, "f", 'f', "atanh_f($0)"},
    {kFloor, "f", 'f', "floor($0)"},
    {kCeil, "f", 'f', "ceil($0)"},
    {kRound, "f", 'f', "round($0)"},
    {kQuickGelu, "ff", 'f', "$0 * sigmoid_f($1 * $0)"},
    {kNot, "b", 'b', "!$0"},
    {kIsNan, "f", 'b', "is_nan($0)"},
    {kIsInf, "f", 'b', "is_inf($0)"},
    {kBitNot, "i", 'i', "~$0"},
    {kBitAnd, "ii", 'i', "$0 & $1"},
    {kBitOr, "ii", 'i', "$0 | $1"},
    {kBitXor, "ii", 'i', "$0 ^ $1"},
    {kAdd, "ff", 'f', "$0 + $1"},
    {kAdd, "ii", 'i', "$0 + $1"},
    {kSub, "ff", 'f', "$0 - $1"},
    {kSub, "ii", 'i', "$0 - $1"},
    {kMul, "ff", 'f', "$0 * $1"},
    {kMul, "ii", 'i', "$0 * $1"},
    {kDiv, "ff", 'f', "div_f($0, $1)"},
    {kDiv, "ii", 'i', "$0 / $1"},
    {kPow, "ff", 'f', "pow_f($0, $1)"},
    {kPow, "fi", 'f', "pow_f($0, F($1))"},
    {kPow, "ii", 'i', "pow_i($0, $1)"},
    {kMin, "ff", 'f', "min_f($0, $1)"},
    {kMin, "ii", 'i', "min($0, $1)"},
    {kMax, "ff", 'f', "max_f($0, $1)"},
    {kMax, "ii", 'i', "max($0, $1)"},
    {kMod, "ii", 'i', "mod_i($0, $1)"},
    {kFmod, "ff", 'f', "fmod_f($0, $1)"},
    {kFmod, "ii", 'i', "rem_i($0, $1)"},
    {kAnd, "bb", 'b', "$0 & $1"},
    {kOr, "bb", 'b', "$0 | $1"},
    {kXor, "bb", 'b', "$0 != $1"},
    {kEqual, "ff", 'b', "$0 == $1"},
    {kEqual, "ii", 'b', "$0 == $1"},
    {kEqual, "bb", 'b', "$0 == $1"},
    {kNotEqual, "ff", 'b', "($0 != $1) | is_nan($0) | is_nan($1)"},
    {kNotEqual, "ii", 'b', "$0 != $1"},
    {kNotEqual, "bb", 'b', "$0 != $1"},
    {kLess, "ff", 'b', "$0 < $1"},
    {kLess, "ii", 'b', "$0 < $1"},
    {kLessOrEqual, "ff", 'b', "$0 <= $1"},
    {kLessOrEqual, "ii", 'b', "$0 <= $1"},
    {kGreater, "ff", 'b', "$0 > $1"},
    {kGreater, "ii", 'b', "$0 > $1"},
    {kGreaterOrEqual, "ff", 'b', "$0 >= $1"},
    {kGreaterOrEqual, "ii", 'b', "$0 >= $1"},
    {kWhere, "bff", 'f', "select($2, $1, $0)"},
    {kWhere, "bii", 'i', "select($2, $1, $0)"},
    {kWhere, "bbb", 'b', "select($2, $1, $0)"},
    {kWhere, "buu", 'u', "select($2, $1, $0)"},
    {kClip, "fff", 'f', "select(min(max($0, $1), $2), $0, is_nan($0))"},
    {kClip, "iii", 'i', "min(max($0, $1), $2)"},
    {kToFloat, "f", 'f', "$0"},
    {kToFloat, "i", 'f', "F($0)"},
    {kToFloat, "b", 'f', "F($0)"},
    {kToInt, "f", 'i', "I($0)"},
    {kToInt, "i", 'i', "$0"},
    {kToInt, "b", 'i', "I($0)"},
    {kToBool, "f", 'b', "($0 != F(0.0)) | is_nan($0)"},
    {kToBool, "i", 'b', "$0 != I(0)"},
    {kToBool, "b", 'b', "$0"},
    {kAbs, "u", 'u', "$0"},
    {kSign, "u", 'u', "min($0, U(1u))"},
    {kBitNot, "u", 'u', "~$0"},
    {kBitAnd, "uu", 'u', "$0 & $1"},
    {kBitOr, "uu", 'u', "$0 | $1"},
    {kBitXor, "uu", 'u', "$0 ^ $1"},
    {kShiftLeft, "uu", 'u', "shift_left($0, $1)"},
    {kShiftRight, "uu", 'u', "shift_right($0, $1)"},
    {kShiftLeft, "ii", 'i', "bitcast<I>(shift_left(bitcast<U>($0), bitcast<U>($1)))"},
    {kShiftRight, "ii", 'i', "bitcast<I>(shift_right(bitcast<U>($0), bitcast<U>($1)))"},
    {kAdd, "uu", 'u', "$0 + $1"},
    {kSub, "uu", 'u', "$0 - $1"},
    {kMul, "uu", 'u', "$0 * $1"},
    {kDiv, "uu", 'u', "$0 / $1"},
    {kMin, "uu", 'u', "min($0, $1)"},
    {kMax, "uu", 'u', "max($0, $1)"},
    {kMod, "uu", 'u', "rem_u($0, $1)"},
    {kFmod, "uu", 'u', "rem_u($0, $1)"},
    {kEqual, "uu", 'b', "$0 == $1"},
    {kNotEqual, "uu", 'b', "$0 != $1"},
    {kLess, "uu", 'b', "$0 < $1"},
    {kLessOrEqual, "uu", 'b', "$0 <= $1"},
    {kGreater, "uu", 'b', "$0 > $1"},
    {kGreaterOrEqual, "uu", 'b', "$0 >= $1"},
    {kClip, "uuu", 'u', "min(max($0, $1), $2)"},
    {kToFloat, "u", 'f', "F($0)"},
    {kToInt, "u", 'i', "I($0)"},
    {kToBool, "u", 'b', "$0 != U(0u)"},
    {kToUnsigned, "f", 'u', "U($0)"},
    {kToUnsigned, "i", 'u', "U($0)"},
    {kToUnsigned, "b", 'u', "U($0)"},
    {kToUnsigned, "u", 'u', "$0"},
    {kWrapInt8, "i", 'i', "($0 << U(24u)) >> U(24u)"},
    {kWrapInt16, "i", 'i', "($0 << U(16u)) >> U(16u)"},
    {kWrapUint16, "i", 'i', "$0 & I(0xffff)"},
};

char letter(ElementType type) {
  switch (type) {
    case ElementType::kFloat:
      return 'f';
    case ElementType::kInt:
      return 'i';
    case ElementType::kBool:
      return 'b';
    case ElementType::kUnsigned:
      return 'u';
    case ElementType::kNone:
      return '\0';
  }
  return '\0';
}

ElementType type_of(char result) {
  switch (result) {
    case 'f':
      return ElementType::kFloat;
    case 'i':
      return ElementType::kInt;
    case 'u':
      return ElementType::kUnsigned;
    default:
      return ElementType::kBool;
  }
}

std::string_view type_name(ElementType type) {
  switch (type) {
    case ElementType::kFloat:
      return "float";
    case ElementType::kInt:
      return "int";
    case ElementType::kBool:
      return "bool";
    case ElementType::kUnsigned:
      return "unsigned";
    case ElementType::kNone:
      return "nothing";
  }
  return "nothing";
}

// The WGSL name of an operand: v0 (input), r0 (result), c0 (constant).
std::string register_name(ElementArg arg) {
  const char kind = arg.kind == ElementArg::Kind::kInput ? 'v' : arg.kind == ElementArg::Kind::kResult ? 'r' : 'c';
  return fmt::format("{}{}", kind, arg.index);
}

std::string expression(const ElementRule& rule, const ElementInstruction& instruction) {
  std::string text;
  for (size_t i = 0; i < rule.wgsl.size(); ++i) {
    if (rule.wgsl[i] == '$') {
      text += register_name(instruction.args[rule.wgsl[++i] - '0']);
    } else {
      text += rule.wgsl[i];
    }
  }
  return text;
}

// A float16 scalar becomes a vector by way of f32.
std::string load(uint32_t input, ElementType type, ElementRead read) {
  const bool splat = read == ElementRead::kScalar || read == ElementRead::kStridedSplat;
  const std::string at = read == ElementRead::kSame     ? "i"
                         : read == ElementRead::kScalar ? "0"
                                                        : fmt::format("at[{}]", input);
  const std::string value = fmt::format("x{}[{}]", input, at);
  if (type == ElementType::kBool) return fmt::format("  let v{} = U({}) != U(0u);\n", input, value);
  if (type == ElementType::kInt) return fmt::format("  let v{} = I({});\n", input, value);
  if (type == ElementType::kUnsigned) return fmt::format("  let v{} = U({});\n", input, value);
  return fmt::format("  let v{} = F({});\n", input, splat ? "f32(" + value + ")" : value);
}

std::string constant_text(uint32_t index, ElementType type) {
  if (type == ElementType::kBool) return fmt::format("  let c{0} = U(constant({0})) != U(0u);\n", index);
  if (type == ElementType::kFloat) return fmt::format("  let c{0} = F(bitcast<f32>(constant({0})));\n", index);
  if (type == ElementType::kUnsigned) return fmt::format("  let c{0} = U(constant({0}));\n", index);
  return fmt::format("  let c{0} = I(bitcast<i32>(constant({0})));\n", index);
}

ElementType operand_type(const ElementProgram& program, ElementArg arg, const std::vector<ElementType>& inputs,
                         const std::vector<ElementType>& results) {
  switch (arg.kind) {
    case ElementArg::Kind::kNone:
      return ElementType::kNone;
    case ElementArg::Kind::kInput:
      if (arg.index < inputs.size()) return inputs[arg.index];
      fail("elementwise", "the program reads input {} of {}", arg.index, inputs.size());
    case ElementArg::Kind::kResult:
      if (arg.index < results.size()) return results[arg.index];
      fail("elementwise", "instruction {} reads result {}, which comes later", results.size(), arg.index);
    case ElementArg::Kind::kConstant:
      if (arg.index < program.constants.size()) return program.constants[arg.index].type;
      fail("elementwise", "the program reads constant {} of {}", arg.index, program.constants.size());
  }
  return ElementType::kNone;
}

}  // namespace

std::span<const ElementRule> element_rules() { return kRules; }

const ElementRule* find_rule(ElementOp op, ElementType a, ElementType b, ElementType c) {
  std::string operands;
  for (const ElementType type : {a, b, c}) {
    if (type != ElementType::kNone) operands += letter(type);
  }
  for (const ElementRule& rule : kRules) {
    if (rule.op == op && rule.operands == operands) return &rule;
  }
  return nullptr;
}

ElementType result_type(ElementOp op, ElementType a, ElementType b, ElementType c) {
  const ElementRule* rule = find_rule(op, a, b, c);
  return rule ? type_of(rule->result) : ElementType::kNone;
}

std::vector<ElementType> check_program(const ElementProgram& program, const std::vector<ElementType>& inputs) {
  const auto check_count = [](size_t count, size_t least, size_t limit, std::string_view what) {
    if (count < least || count > limit)
      fail("elementwise", "{} to {} {} are supported, got {}", least, limit, what, count);
  };
  check_count(inputs.size(), 0, ElementProgram::kMaxInputs, "inputs");
  check_count(program.code.size(), 1, ElementProgram::kMaxInstructions, "instructions");
  check_count(program.constants.size(), 0, ElementProgram::kMaxConstants, "constants");
  std::vector<ElementType> results;
  for (const ElementInstruction& instruction : program.code) {
    ElementType types[3];
    for (int k = 0; k < 3; ++k) types[k] = operand_type(program, instruction.args[k], inputs, results);
    const ElementType type = result_type(instruction.op, types[0], types[1], types[2]);
    if (type == ElementType::kNone) {
      fail("elementwise", "{} does not take ({}, {}, {})", name(instruction.op), type_name(types[0]),
           type_name(types[1]), type_name(types[2]));
    }
    results.push_back(type);
  }
  return results;
}

std::string element_body(const ElementProgram& program, const std::vector<ElementType>& inputs,
                         const std::vector<ElementRead>& reads) {
  const auto results = check_program(program, inputs);
  std::string text = "{\n";
  for (const ElementRead read : reads) {
    if (read != ElementRead::kStrided && read != ElementRead::kStridedSplat) continue;
    text += "  let at = offsets(i);\n";
    break;
  }
  for (uint32_t k = 0; k < inputs.size(); ++k) text += load(k, inputs[k], reads[k]);
  for (uint32_t k = 0; k < program.constants.size(); ++k) text += constant_text(k, program.constants[k].type);
  for (uint32_t k = 0; k < program.code.size(); ++k) {
    const ElementInstruction& instruction = program.code[k];
    ElementType types[3];
    for (int a = 0; a < 3; ++a) types[a] = operand_type(program, instruction.args[a], inputs, results);
    const ElementRule* rule = find_rule(instruction.op, types[0], types[1], types[2]);
    text += fmt::format("  let r{} = {};\n", k, expression(*rule, instruction));
  }
  const size_t last = program.code.size() - 1;
  const bool is_bool = results[last] == ElementType::kBool;
  text += is_bool ? fmt::format("  y[i] = select(U(0u), U(1u), r{});\n}}", last)
                  : fmt::format("  y[i] = Y(r{});\n}}", last);
  return text;
}

}  // namespace sluice::kernels
