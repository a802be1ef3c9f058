#include "kernels/elementwise/expression.h"

#include <algorithm>

#include "kernels/common/strides.h"
#include "kernels/elementwise/element_rules.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "elementwise";

bool same_read(const ElementInput& a, const ElementInput& b) {
  return a.tensor.slot == b.tensor.slot && a.tensor.storage == b.tensor.storage && a.offset == b.offset &&
         a.strides == b.strides;
}

std::vector<ElementType> input_types(const ElementExpression& x) {
  std::vector<ElementType> types;
  for (const ElementInput& input : x.inputs) types.push_back(element_type(input.tensor.storage));
  return types;
}

// Puts expressions together, each input, constant and instruction once.
class Composer {
 public:
  explicit Composer(std::vector<uint32_t> shape) { joined_.shape = std::move(shape); }

  ElementArg import(const ElementExpression& x) {
    const ElementExpression wide = broadcast(x, joined_.shape);
    std::vector<ElementArg> inputs;
    for (const ElementInput& input : wide.inputs) inputs.push_back(add_input(input));
    return append(wide.program, inputs, wide.result);
  }

  // The program's code over these inputs; `result` is where the program has it.
  ElementArg append(const ElementProgram& program, const std::vector<ElementArg>& inputs, ElementArg result) {
    std::vector<ElementArg> results;
    const auto moved = [&](ElementArg arg) {
      switch (arg.kind) {
        case ElementArg::Kind::kInput:
          if (arg.index < inputs.size()) return inputs[arg.index];
          fail(kTag, "the program reads input {} of {}", arg.index, inputs.size());
        case ElementArg::Kind::kResult:
          return results.at(arg.index);
        case ElementArg::Kind::kConstant:
          return joined_.program.constant(program.constants.at(arg.index));
        case ElementArg::Kind::kNone:
          break;
      }
      return arg;
    };
    for (const ElementInstruction& code : program.code) {
      results.push_back(add_code({code.op, {moved(code.args[0]), moved(code.args[1]), moved(code.args[2])}}));
    }
    return moved(result);
  }

  // What comes after the result, where it was there already, is not needed.
  ElementExpression finish(ElementArg result) {
    joined_.program.code.resize(size_t{result.index} + 1);
    joined_.result = result;
    return std::move(joined_);
  }

 private:
  ElementArg add_input(const ElementInput& input) {
    auto& inputs = joined_.inputs;
    const auto found =
        std::find_if(inputs.begin(), inputs.end(), [&](const ElementInput& other) { return same_read(other, input); });
    const auto index = found - inputs.begin();
    if (found == inputs.end()) inputs.push_back(input);
    return ElementProgram::input(static_cast<uint32_t>(index));
  }

  ElementArg add_code(const ElementInstruction& instruction) {
    auto& code = joined_.program.code;
    const auto found = std::find(code.begin(), code.end(), instruction);
    const auto index = static_cast<uint8_t>(found - code.begin());
    if (found == code.end()) code.push_back(instruction);
    return {ElementArg::Kind::kResult, index};
  }

  ElementExpression joined_;
};

bool fits(const ElementExpression& x) {
  if (x.inputs.size() > ElementProgram::kMaxInputs || x.program.code.size() > ElementProgram::kMaxInstructions ||
      x.program.constants.size() > ElementProgram::kMaxConstants)
    return false;
  StridedSpace space{x.shape, {row_major_strides(x.shape)}};
  for (const ElementInput& input : x.inputs) space.strides.push_back(*input.strides);
  space.collapse();
  return space.dims.size() <= kMaxElementRank;
}

}  // namespace

ElementExpression ElementExpression::of(const Tensor& tensor) {
  if (element_type(tensor.storage) == ElementType::kNone) fail(kTag, "packed bytes (uint8) are not supported");
  return {tensor.shape, {{tensor, 0, row_major_strides(tensor.shape)}}, {}, ElementProgram::input(0)};
}

ElementExpression ElementExpression::of(ElementConstant constant, std::vector<uint32_t> shape) {
  ElementExpression x{std::move(shape), {}, {}, {}};
  x.result = x.program.constant(constant);
  return x;
}

uint64_t ElementExpression::elements() const {
  return std::accumulate(shape.begin(), shape.end(), uint64_t{1}, std::multiplies<>());
}

ElementType ElementExpression::type() const {
  if (result.kind == ElementArg::Kind::kInput) return element_type(inputs.at(result.index).tensor.storage);
  if (result.kind == ElementArg::Kind::kConstant) return program.constants.at(result.index).type;
  return check_program(program, input_types(*this)).at(result.index);
}

Tensor ElementExpression::whole_tensor() const {
  if (!is_view() || inputs[0].offset != 0 || elements() == 0) return {};
  StridedSpace space{shape, {row_major_strides(shape), *inputs[0].strides}};
  space.collapse();
  const bool in_order = elements() == 1 || (space.dims.size() == 1 && space.strides[1][0] == 1);
  return in_order ? Tensor{inputs[0].tensor.slot, inputs[0].tensor.storage, shape} : Tensor{};
}

std::optional<ElementExpression> reshaped(const ElementExpression& x, const std::vector<uint32_t>& shape) {
  ElementExpression y = x;
  y.shape = shape;
  if (y.elements() == 0) return std::nullopt;
  for (ElementInput& input : y.inputs) {
    input.strides = reshape_strides(x.shape, *input.strides, shape);
    if (!input.strides) return std::nullopt;
  }
  return y;
}

ElementExpression transposed(const ElementExpression& x, const std::vector<uint32_t>& perm) {
  ElementExpression y = x;
  for (size_t d = 0; d < perm.size(); ++d) {
    y.shape[d] = x.shape.at(perm[d]);
    for (size_t k = 0; k < y.inputs.size(); ++k) (*y.inputs[k].strides)[d] = x.inputs[k].strides->at(perm[d]);
  }
  return y;
}

ElementExpression sliced(const ElementExpression& x, const std::vector<int32_t>& starts,
                         const std::vector<int32_t>& steps, const std::vector<uint32_t>& shape) {
  ElementExpression y = x;
  y.shape = shape;
  for (ElementInput& input : y.inputs) {
    for (size_t d = 0; d < shape.size(); ++d) {
      int64_t& stride = input.strides->at(d);
      input.offset += starts.at(d) * stride;
      stride *= steps.at(d);
    }
  }
  return y;
}

ElementExpression broadcast(const ElementExpression& x, const std::vector<uint32_t>& shape) {
  // What the expression's own shape repeats is told by the strides of a tensor of that shape.
  const auto along = broadcast_strides(x.shape, shape, kTag);
  const size_t lead = shape.size() - x.shape.size();
  ElementExpression y = x;
  y.shape = shape;
  for (size_t k = 0; k < x.inputs.size(); ++k) {
    std::vector<int64_t> strides(shape.size(), 0);
    for (size_t d = lead; d < shape.size(); ++d) strides[d] = along[d] == 0 ? 0 : (*x.inputs[k].strides)[d - lead];
    y.inputs[k].strides = std::move(strides);
  }
  return y;
}

std::optional<ElementExpression> compose(std::span<const ElementExpression> operands, const ElementProgram& program,
                                         const std::vector<uint32_t>& shape) {
  std::vector<ElementType> types;
  for (const ElementExpression& operand : operands) types.push_back(operand.type());
  check_program(program, types);
  Composer composer(shape);
  std::vector<ElementArg> inputs;
  for (const ElementExpression& operand : operands) inputs.push_back(composer.import(operand));
  const ElementArg last{ElementArg::Kind::kResult, static_cast<uint8_t>(program.code.size() - 1)};
  ElementExpression joined = composer.finish(composer.append(program, inputs, last));
  if (!fits(joined)) return std::nullopt;
  return joined;
}

void plan_expression(const ElementExpression& x, const Tensor& y, const std::string& name, Recorder& recorder) {
  plan_elementwise({x.inputs, y, x.program, name}, recorder);
}

}  // namespace sluice::kernels
