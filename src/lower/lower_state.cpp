// Convolutions and operators that carry a state of fixed size from token to token, as kernel plans.
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "kernels/attention/linear_attention.h"
#include "kernels/attention/linear_gates.h"
#include "kernels/conv/causal_conv.h"
#include "kernels/conv/conv.h"
#include "lower/ops.h"

namespace sluice::lower {

void lower_causal_conv(Lowering& l, const Node& node) {
  refuse_attribute(node, "ndim", 1);
  refuse_attribute(node, "state_window", 0);
  const std::string activation = node.s("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    fail("lower", "activation \"{}\" is not supported", activation);
  kernels::plan_causal_conv(
      {.x = l.input(node, 0),
       .weight = l.input(node, 1),
       .bias = l.input(node, 2),
       .past = l.input(node, 3),
       .y = l.output(node, 0),
       .present = l.state_output(node, 1, 3),
       .active = l.binding().active,
       .activation = activation == "none" ? kernels::ConvActivation::kNone : kernels::ConvActivation::kSilu,
       .dilation = static_cast<uint32_t>(node.i("dilation", 1)),
       .channels_last = node.i("channels_last", 0) != 0},
      l.recorder());
}

void lower_linear_attention(Lowering& l, const Node& node) {
  using kernels::LinearRule;
  static constexpr std::pair<const char*, LinearRule> kRules[] = {{"linear", LinearRule::kLinear},
                                                                  {"gated", LinearRule::kGated},
                                                                  {"delta", LinearRule::kDelta},
                                                                  {"gated_delta", LinearRule::kGatedDelta}};
  const std::string name = node.s("update_rule", "gated_delta");
  const auto* const rule =
      std::find_if(std::begin(kRules), std::end(kRules), [&](const auto& r) { return name == r.first; });
  if (rule == std::end(kRules)) fail("lower", "update_rule \"{}\" is not supported", name);
  refuse_attribute(node, "state_window", 0);
  kernels::plan_linear_attention({.query = l.input(node, 0),
                                  .key = l.input(node, 1),
                                  .value = l.input(node, 2),
                                  .past = l.input(node, 3),
                                  .decay = l.input(node, 4),
                                  .beta = l.input(node, 5),
                                  .output = l.output(node, 0),
                                  .present = l.state_output(node, 1, 3),
                                  .active = l.binding().active,
                                  .heads = static_cast<uint32_t>(node.i("q_num_heads", 0)),
                                  .state_heads = static_cast<uint32_t>(node.i("kv_num_heads", 0)),
                                  .rule = rule->second,
                                  .scale = node.f("scale", 0)},
                                 l.recorder());
}

void lower_linear_gate(Lowering& l, const Node& node) {
  kernels::plan_linear_gate({.a = l.input(node, 0),
                             .dt_bias = l.input(node, 1),
                             .decay_scale = l.input(node, 2),
                             .b = l.input(node, 3),
                             .decay = l.output(node, 0),
                             .beta = l.output(node, 1)},
                            l.recorder());
}

void lower_gated_rms_norm(Lowering& l, const Node& node) {
  const std::string activation = node.s("activation", "silu");
  if (activation != "silu" && activation != "swish" && activation != "sigmoid")
    fail("lower", "activation \"{}\" is not supported", activation);
  kernels::plan_gated_rms_norm(
      {.x = l.input(node, 0),
       .scale = l.input(node, 1),
       .gate = l.input(node, 2),
       .y = l.output(node, 0),
       .activation = activation == "sigmoid" ? kernels::GateActivation::kSigmoid : kernels::GateActivation::kSilu,
       .epsilon = node.f("epsilon", 1e-5f)},
      l.recorder());
}

namespace {

// The padding that gives an axis as many outputs as the input has strides; an odd one goes to the end or the beginning.
void pad_same(kernels::ConvAxis& axis, uint32_t in, uint32_t kernel, bool upper) {
  const int64_t outputs = (int64_t{in} + axis.stride - 1) / axis.stride;
  const int64_t needed = (outputs - 1) * axis.stride + int64_t{axis.dilation} * (kernel - 1) + 1 - in;
  const auto all = static_cast<uint32_t>(std::max<int64_t>(needed, 0));
  axis.pad_begin = upper ? all / 2 : all - all / 2;
  axis.pad_end = all - axis.pad_begin;
}

}  // namespace

void lower_conv(Lowering& l, const Node& node) {
  kernels::ConvProblem problem;
  problem.x = l.input(node, 0);
  problem.w = l.input(node, 1);
  problem.bias = l.input(node, 2);
  problem.y = l.output(node, 0);
  problem.group = static_cast<uint32_t>(node.i("group", 1));
  const size_t axes = problem.x.shape.size() - 2;
  if (axes != 1 && axes != 2) fail("lower", "convolutions have 1 or 2 spatial axes, got {}", axes);
  const std::vector<int64_t> kernel = node.ints("kernel_shape");
  if (!kernel.empty() && !std::equal(kernel.begin(), kernel.end(), problem.w.shape.begin() + 2, problem.w.shape.end()))
    fail("lower", "kernel_shape must be W's, {}", fmt::join(problem.w.shape.begin() + 2, problem.w.shape.end(), " x "));
  const std::string pad = node.s("auto_pad", "NOTSET");
  if (pad != "NOTSET" && pad != "VALID" && pad != "SAME_UPPER" && pad != "SAME_LOWER")
    fail("lower", "auto_pad \"{}\" is not supported", pad);
  const auto strides = node.ints("strides"), dilations = node.ints("dilations"), pads = node.ints("pads");
  for (size_t i = 0; i < axes; ++i) {
    kernels::ConvAxis& axis = problem.axes[i + 2 - axes];
    if (!strides.empty()) axis.stride = static_cast<uint32_t>(strides[i]);
    if (!dilations.empty()) axis.dilation = static_cast<uint32_t>(dilations[i]);
    if (pad == "NOTSET" && !pads.empty()) {
      axis.pad_begin = static_cast<uint32_t>(pads[i]);
      axis.pad_end = static_cast<uint32_t>(pads[i + axes]);
    }
    if (pad.starts_with("SAME_")) pad_same(axis, problem.x.shape[i + 2], problem.w.shape[i + 2], pad == "SAME_UPPER");
  }
  kernels::plan_conv(problem, l.recorder());
}

}  // namespace sluice::lower
