// The table of element-wise operators: which operand types each takes, what it gives, and its WGSL expression.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "kernels/elementwise/elementwise.h"

namespace sluice::kernels {

struct ElementRule {
  ElementOp op;
  std::string_view operands;  // one letter an operand: f, i, b or u (unsigned)
  char result;
  std::string_view wgsl;  // $0, $1, $2 are the operands
};

std::span<const ElementRule> element_rules();

// The rule for an operator over these types, or null.
const ElementRule* find_rule(ElementOp op, ElementType a, ElementType b, ElementType c);

// Types of a program's results in order. Throws Error "elementwise" for a malformed program.
std::vector<ElementType> check_program(const ElementProgram& program, const std::vector<ElementType>& inputs);

// How an input is read: WIDTH elements at the output's own index, one element at 0, WIDTH elements by strides, or one.
enum class ElementRead : uint8_t { kSame, kScalar, kStrided, kStridedSplat };

// The block of statements that elementwise.wgsl inserts.
std::string element_body(const ElementProgram& program, const std::vector<ElementType>& inputs,
                         const std::vector<ElementRead>& reads);

}  // namespace sluice::kernels
