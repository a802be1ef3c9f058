// Element-wise nodes and views as expressions that wait for a reader: a chain of them becomes one dispatch.
//
// A value stays an expression as long as that saves work: where one node reads it, or where it is so small that
// computing it again is cheaper than a dispatch that others wait for. Whoever needs its elements in memory asks for its
// tensor, and it is computed then. Joined nodes compute in float32 throughout; each by itself, float16 ones round every
// result.
#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/half.h"
#include "kernels/common/strides.h"
#include "kernels/data/strided_copy.h"
#include "lower/lowering.h"

namespace sluice::lower {

namespace {

using kernels::ElementConstant;
using kernels::ElementExpression;
using kernels::ElementType;
using kernels::Storage;

constexpr uint64_t kSmall = 16384;    // elements that are computed again rather than kept
constexpr uint32_t kMostReaders = 4;  // of such elements

template <class T>
T load(const graph::Constant& constant) {
  T x;
  std::memcpy(&x, constant.bytes.data(), sizeof(T));
  return x;
}

std::optional<ElementConstant> integer(int64_t x) {
  if (x < INT32_MIN || x > INT32_MAX) return std::nullopt;  // refused when it is uploaded
  return ElementConstant{ElementType::kInt, static_cast<uint32_t>(x)};
}

ElementConstant number(float x) { return {ElementType::kFloat, std::bit_cast<uint32_t>(x)}; }

// A value of one element that a program can hold itself.
std::optional<ElementConstant> scalar(const graph::Value& value) {
  if (value.known) {
    const bool single = value.known->size() == 1 && value.known->front().is_constant();
    return single && *value.dtype == DType::kInt64 ? integer(value.known->front().value) : std::nullopt;
  }
  if (!value.constant || value.constant->elements() != 1) return std::nullopt;
  const graph::Constant& constant = *value.constant;
  switch (constant.dtype) {
    case DType::kFloat:
      return number(load<float>(constant));
    case DType::kFloat16:
      return number(half_to_float(load<uint16_t>(constant)));
    case DType::kInt64:
      return integer(load<int64_t>(constant));
    case DType::kInt32:
      return integer(load<int32_t>(constant));
    case DType::kBool:
      return ElementConstant{ElementType::kBool, load<uint8_t>(constant) != 0 ? 1u : 0u};
    default:
      return std::nullopt;
  }
}

Storage storage_for(ElementType type) {
  switch (type) {
    case ElementType::kInt:
      return Storage::kI32;
    case ElementType::kBool:
      return Storage::kU32;
    case ElementType::kUnsigned:
      return Storage::kUnsigned;
    default:
      return Storage::kF32;
  }
}

void add_source(std::vector<std::string>& sources, std::string source) {
  if (std::find(sources.begin(), sources.end(), source) == sources.end()) sources.push_back(std::move(source));
}

// How much of a program's room an operand takes, beyond a tensor's.
size_t size_of(const ElementExpression& x) {
  return x.inputs.empty() || x.whole_tensor() ? 0 : x.program.code.size() + x.inputs.size();
}

}  // namespace

void Lowering::name_dispatches(const graph::Node& node) {
  if (result_.nodes.size() < recorder_.dispatches().size()) name_dispatches(origin(node), sources_of(node));
}

void Lowering::name_dispatches(const std::string& node, const std::vector<std::string>& sources) {
  result_.nodes.resize(recorder_.dispatches().size(), node);
  result_.sources.resize(recorder_.dispatches().size(), sources);
}

void Lowering::count_readers() {
  readers_.assign(graph_.values.size(), 0);
  std::vector<const graph::Node*> last(graph_.values.size(), nullptr);
  for (const graph::Node& node : graph_.nodes) {
    for (const graph::ValueId id : node.inputs) {
      if (id != graph::kNoValue && std::exchange(last[id], &node) != &node) ++readers_[id];
    }
  }
  for (const graph::ValueId id : graph_.outputs) readers_[id] = kMostReaders + 1;
}

bool Lowering::takes_views(const graph::Node& node) const {
  return caps_.fusion && value(node.input(0)).dtype != DType::kUint8;
}

bool Lowering::is_expression(const graph::Node& node, size_t i) const {
  return node.has(i) && expressions_.contains(node.input(i));
}

ElementOperand Lowering::elements(const graph::Node& node, size_t i) {
  const graph::ValueId id = node.input(i);
  if (const auto found = expressions_.find(id); found != expressions_.end())
    return {found->second.expression, id, found->second.sources};
  if (caps_.fusion && !tensors_[id]) {
    if (const auto constant = scalar(value(id))) return {ElementExpression::of(*constant, sizes(id)), id};
  }
  return {ElementExpression::of(input(node, i)), id};
}

ElementOperand Lowering::view(const graph::Node& node, size_t i) {
  return is_expression(node, i) ? elements(node, i) : ElementOperand(input(node, i));
}

std::vector<uint32_t> Lowering::input_shape(const graph::Node& node, size_t i) {
  const graph::ValueId id = node.input(i);
  return is_expression(node, i) ? expressions_.at(id).expression.shape : tensor_of(id).shape;
}

// State is overwritten in place: what is computed from it must be computed before.
bool Lowering::reads_state(const ElementExpression& x) const {
  return std::any_of(x.inputs.begin(), x.inputs.end(), [&](const kernels::ElementInput& input) {
    const size_t index = input.tensor.slot - 1;
    return index < result_.slots.size() && result_.slots[index].kind == SlotKind::kCache;
  });
}

bool Lowering::may_wait(graph::ValueId id, const ElementExpression& x) const {
  const bool packed = value(id).dtype == DType::kUint8;
  if (!caps_.fusion || packed || tensors_[id] || x.elements() == 0 || readers_[id] > kMostReaders) return false;
  return (readers_[id] <= 1 || x.elements() <= kSmall) && !reads_state(x);
}

void Lowering::set_elements(const graph::Node& node, size_t i, ElementOperand x, const std::string& kernel) {
  for (std::string& source : sources_of(node)) add_source(x.sources, std::move(source));
  set_output(node, i, {std::move(x.expression), kernel, origin(node), std::move(x.sources)});
}

bool Lowering::reshape_elements(const graph::Node& node) {
  if (!is_expression(node, 0)) return false;
  const Waiting& x = expressions_.at(node.input(0));
  auto shaped = kernels::reshaped(x.expression, sizes(node.output(0)));
  if (!shaped) return false;
  set_output(node, 0, {*std::move(shaped), x.kernel, x.node, x.sources});
  return true;
}

void Lowering::set_output(const graph::Node& node, size_t i, Waiting x) {
  const graph::ValueId id = node.output(i);
  if (id == graph::kNoValue) return;
  if (may_wait(id, x.expression)) {
    expressions_[id] = std::move(x);
  } else if (const Tensor whole = x.expression.whole_tensor(); whole && !reads_state(x.expression)) {
    tensors_[id] = whole;
  } else {
    compute(x, output(node, i));
  }
}

// In the name of the node that it came from, whoever asks for it.
void Lowering::compute(const Waiting& x, const Tensor& y) {
  name_dispatches(*current_);
  if (x.expression.is_view()) {
    copy_view(x, y);
  } else {
    kernels::plan_expression(x.expression, y, x.kernel, recorder_);
  }
  name_dispatches(x.node, x.sources);
}

void Lowering::copy_view(const Waiting& x, const Tensor& y) {
  const kernels::ElementInput& input = x.expression.inputs.at(0);
  const std::string name = x.kernel.empty() ? "copy" : x.kernel;
  kernels::plan_strided_copy({.name = name,
                              .x = input.tensor,
                              .y = y,
                              .dims = x.expression.shape,
                              .x_strides = *input.strides,
                              .y_strides = kernels::row_major_strides(y.shape),
                              .x_offset = input.offset},
                             name, recorder_);
}

const Tensor& Lowering::computed(graph::ValueId id) {
  const Waiting x = std::move(expressions_.extract(id).mapped());
  if (const Tensor whole = x.expression.whole_tensor()) return tensors_[id] = whole;
  const Tensor& y = place(id, SlotKind::kIntermediate);
  compute(x, y);
  return y;
}

// The operand as a tensor.
void Lowering::settle(ElementOperand& operand) {
  if (operand.value != graph::kNoValue) {
    operand = tensor_of(operand.value);
    return;
  }
  const Tensor y = recorder_.scratch(storage_for(operand.expression.type()), operand.expression.shape);
  compute({operand.expression, "", origin(*current_), operand.sources}, y);
  operand = y;
}

ElementOperand Lowering::compose(std::vector<ElementOperand> operands, const kernels::ElementProgram& program,
                                 const std::vector<uint32_t>& shape) {
  const uint64_t count = Tensor{0, Storage::kF32, shape}.elements();
  for (ElementOperand& operand : operands) {
    // What is repeated often is computed once.
    const ElementExpression& x = operand.expression;
    if (!x.program.empty() && x.elements() < count && count > kSmall) settle(operand);
  }
  while (true) {
    std::vector<ElementExpression> expressions;
    std::vector<std::string> sources;
    for (const ElementOperand& operand : operands) {
      expressions.push_back(operand.expression);
      for (const std::string& source : operand.sources) add_source(sources, source);
    }
    if (auto joined = kernels::compose(expressions, program, shape))
      return {*std::move(joined), graph::kNoValue, std::move(sources)};
    const auto largest = std::max_element(operands.begin(), operands.end(), [](const auto& a, const auto& b) {
      return size_of(a.expression) < size_of(b.expression);
    });
    if (largest == operands.end() || size_of(largest->expression) == 0) {
      fail("elementwise", "at most {} dimensions are supported after joining", kernels::kMaxElementRank);
    }
    settle(*largest);
  }
}

}  // namespace sluice::lower
