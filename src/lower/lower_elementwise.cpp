#include "base/error.h"
#include "lower/ops.h"

namespace sluice::lower {

using kernels::ElementOp;
using kernels::Storage;

void lower_unary(Lowering& l, const Node& node, ElementOp op) {
  kernels::plan_unary(op, l.input(node, 0), l.output(node, 0), l.recorder());
}

// Also the variadic Sum, Min and Max, of any number of inputs. Pow alone may mix types: its exponent is converted to
// its base's.
void lower_binary(Lowering& l, const Node& node, ElementOp op) {
  const Tensor y = l.output(node, 0);
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(l.input(node, i));
  if (inputs.size() == 2) {
    if (op == ElementOp::kPow && kernels::element_type(inputs[0].storage) != kernels::element_type(inputs[1].storage)) {
      const Tensor converted = l.recorder().scratch(inputs[0].storage, inputs[1].shape);
      kernels::plan_cast(inputs[1], converted, l.recorder());
      inputs[1] = converted;
    }
    kernels::plan_binary(op, inputs[0], inputs[1], y, l.recorder());
  } else {
    kernels::plan_variadic(op, inputs, y, l.recorder());
  }
}

void lower_mod(Lowering& l, const Node& node) {
  lower_binary(l, node, node.i("fmod", 0) != 0 ? ElementOp::kFmod : ElementOp::kMod);
}

void lower_gelu(Lowering& l, const Node& node) {
  lower_unary(l, node, node.s("approximate", "none") == "tanh" ? ElementOp::kGeluTanh : ElementOp::kGelu);
}

void lower_quick_gelu(Lowering& l, const Node& node) {
  kernels::plan_quick_gelu(l.input(node, 0), l.output(node, 0), node.f("alpha", 1.702f), l.recorder());
}

// int32 and int64, and on a device without f16 float and float16, are one storage: then there is nothing to do.
void lower_cast(Lowering& l, const Node& node) {
  const Tensor x = l.input(node, 0);
  const auto& to = l.value(node.output(0)).dtype;
  if (to && kernels::storage_of(*to, l.recorder().caps()) == x.storage) return l.alias(node, 0, x);
  kernels::plan_cast(x, l.output(node, 0), l.recorder());
}

void lower_clip(Lowering& l, const Node& node) {
  kernels::ClipProblem problem;
  problem.x = l.input(node, 0);
  if (node.opset >= 11 || node.inputs.size() > 1) {
    problem.min = l.input(node, 1);
    problem.max = l.input(node, 2);
  } else {
    problem.has_min = node.find("min") != nullptr;
    problem.has_max = node.find("max") != nullptr;
    problem.min_value = node.f("min", 0);
    problem.max_value = node.f("max", 0);
  }
  problem.y = l.output(node, 0);
  kernels::plan_clip(problem, l.recorder());
}

void lower_where(Lowering& l, const Node& node) {
  kernels::plan_where(l.input(node, 0), l.input(node, 1), l.input(node, 2), l.output(node, 0), l.recorder());
}

}  // namespace sluice::lower
