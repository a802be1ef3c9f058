#include "kernels/elementwise/elementwise.h"

namespace sluice::kernels {

std::string_view name(ElementOp op) {
  static constexpr std::string_view kNames[] = {"Abs",        "Neg",
                                                "Sign",       "Relu",
                                                "Exp",        "Log",
                                                "Sqrt",       "Rsqrt",
                                                "Reciprocal", "Sigmoid",
                                                "Tanh",       "Gelu",
                                                "GeluTanh",   "Silu",
                                                "Softplus",   "Erf",
                                                "Sin",        "Cos",
                                                "Tan",        "Asin",
                                                "Acos",       "Atan",
                                                "Sinh",       "Cosh",
                                                "Asinh",      "Acosh",
                                                "Atanh",      "Floor",
                                                "Ceil",       "Round",
                                                "QuickGelu",  "Not",
                                                "IsNaN",      "IsInf",
                                                "BitNot",     "BitAnd",
                                                "BitOr",      "BitXor",
                                                "ShiftLeft",  "ShiftRight",
                                                "Add",        "Sub",
                                                "Mul",        "Div",
                                                "Pow",        "Min",
                                                "Max",        "Mod",
                                                "Fmod",       "And",
                                                "Or",         "Xor",
                                                "Equal",      "NotEqual",
                                                "Less",       "LessOrEqual",
                                                "Greater",    "GreaterOrEqual",
                                                "Where",      "Clip",
                                                "ToFloat",    "ToInt",
                                                "ToBool",     "ToUnsigned",
                                                "WrapInt8",   "WrapInt16",
                                                "WrapUint16"};
  static_assert(std::size(kNames) == static_cast<size_t>(ElementOp::kWrapUint16) + 1);
  return kNames[static_cast<size_t>(op)];
}

}  // namespace sluice::kernels
