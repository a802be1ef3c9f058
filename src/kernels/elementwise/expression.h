// Element-wise values that are not computed yet: a program over tensors, of any shape, that is read further on.
//
// A chain of element-wise nodes grows one expression, which becomes one dispatch when something else needs its
// elements. Views cost nothing: reshaping, slicing, transposing and broadcasting an expression change only the strides
// by which its tensors are read.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/elementwise/elementwise.h"

namespace sluice::kernels {

struct ElementExpression {
  std::vector<uint32_t> shape;
  std::vector<ElementInput> inputs;  // with strides along `shape`
  ElementProgram program;            // without code: the expression is its only input or constant
  ElementArg result;                 // of the program

  static ElementExpression of(const Tensor& tensor);  // of any storage that has elements
  static ElementExpression of(ElementConstant constant, std::vector<uint32_t> shape);

  uint64_t elements() const;
  ElementType type() const;
  bool is_view() const { return program.empty() && result.kind == ElementArg::Kind::kInput; }
  // The tensor that a view is: its first elements in order, under the expression's shape. Empty if it is none.
  Tensor whole_tensor() const;
};

// Nothing where the elements, in their order, cannot be walked by strides along the new shape.
std::optional<ElementExpression> reshaped(const ElementExpression& x, const std::vector<uint32_t>& shape);
// perm: dimension d of the result is dimension perm[d] of x.
ElementExpression transposed(const ElementExpression& x, const std::vector<uint32_t>& perm);
// Elements starts[d], starts[d] + steps[d], ... of each dimension, shape[d] of them; all must exist.
ElementExpression sliced(const ElementExpression& x, const std::vector<int32_t>& starts,
                         const std::vector<int32_t>& steps, const std::vector<uint32_t>& shape);
ElementExpression broadcast(const ElementExpression& x, const std::vector<uint32_t>& shape);

// program(operands[0], operands[1], ...) over operands broadcast to `shape`, which must not be empty. What operands
// have in common is read and computed once. Nothing if that is more than one dispatch takes (ElementProgram's limits, 8
// dimensions). Throws Error "elementwise" as plan_elementwise does.
std::optional<ElementExpression> compose(std::span<const ElementExpression> operands, const ElementProgram& program,
                                         const std::vector<uint32_t>& shape);

// Computes an expression that has code. y: of its shape and type.
void plan_expression(const ElementExpression& x, const Tensor& y, const std::string& name, Recorder& recorder);

}  // namespace sluice::kernels
