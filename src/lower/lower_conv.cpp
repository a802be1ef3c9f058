// Conv as exporters write the short convolutions of hybrid language models: depthwise along one axis. It is a sum of a
// few shifted and scaled copies; nothing else of Conv is supported.
#include "base/error.h"
#include "kernels/data/slice.h"
#include "lower/ops.h"

namespace sluice::lower {

namespace {

using kernels::ElementArg;
using kernels::ElementOp;
using kernels::ElementProgram;
using kernels::Tensor;

constexpr uint32_t kMaxKernel = 16;

void check_attributes(const Node& node, const Tensor& x, const Tensor& w) {
  if (x.rank() != 3) fail("lower", "only convolutions along one axis are supported, got {} dimensions", x.rank());
  const int64_t group = node.i("group", 1);
  if (group != x.shape[1] || w.shape[0] != x.shape[1] || w.shape[1] != 1) {
    fail("lower", "only depthwise convolutions are supported: group {}, {} channels, {} outputs", group, x.shape[1],
         w.shape[0]);
  }
  for (const char* name : {"strides", "dilations"}) {
    for (const int64_t value : node.ints(name)) {
      if (value != 1) fail("lower", "{} must be 1, got {}", name, value);
    }
  }
  for (const int64_t pad : node.ints("pads")) {
    if (pad != 0) fail("lower", "pads must be 0, got {}", pad);
  }
  const std::string auto_pad = node.s("auto_pad", "NOTSET");
  if (auto_pad != "NOTSET" && auto_pad != "VALID") fail("lower", "auto_pad \"{}\" is not supported", auto_pad);
  if (w.shape[2] > kMaxKernel) fail("lower", "the kernel size must be 1 to {}, got {}", kMaxKernel, w.shape[2]);
}

Tensor cut(Lowering& l, const Tensor& x, uint32_t start, std::vector<uint32_t> shape) {
  const Tensor y = l.recorder().scratch(x.storage, std::move(shape));
  const auto first = static_cast<int32_t>(start);
  kernels::plan_slice({.x = x, .y = y, .starts = {0, 0, first}, .steps = {1, 1, 1}}, l.recorder());
  return y;
}

}  // namespace

// y[n, c, t] = bias[c] + sum over k of w[c, k] x[n, c, t + k], in float32.
void lower_conv(Lowering& l, const Node& node) {
  const Tensor x = l.input(node, 0), w = l.input(node, 1), y = l.output(node, 0);
  check_attributes(node, x, w);
  Tensor sum = l.input(node, 2);
  if (sum) sum.shape = {sum.elements() == 1 ? 1 : x.shape[1], 1};
  for (uint32_t k = 0; k < w.shape[2]; ++k) {
    const bool last = k + 1 == w.shape[2];
    const Tensor to = last ? y : l.recorder().scratch(kernels::Storage::kF32, y.shape);
    Tensor factor = cut(l, w, k, {w.shape[0], 1, 1});
    factor.shape = {w.shape[0], 1};
    kernels::ElementwiseProblem problem{{cut(l, x, k, y.shape), factor}, to, {}, "elementwise/Conv"};
    const ElementArg product =
        problem.program.apply(ElementOp::kMul, ElementProgram::input(0), ElementProgram::input(1));
    if (sum) {
      problem.inputs.push_back(sum);
      problem.program.apply(ElementOp::kAdd, product, ElementProgram::input(2));
    }
    kernels::plan_elementwise(problem, l.recorder());
    sum = to;
  }
}

}  // namespace sluice::lower
