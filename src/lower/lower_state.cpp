// Operators that carry a state of fixed size from token to token, as kernel plans.
#include "base/error.h"
#include "kernels/conv/causal_conv.h"
#include "lower/ops.h"

namespace sluice::lower {

void lower_causal_conv(Lowering& l, const Node& node) {
  refuse_attribute(node, "ndim", 1);
  refuse_attribute(node, "state_window", 0);
  refuse_attribute(node, "dilation", 1);
  refuse_attribute(node, "channels_last", 0);
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
       .activation = activation == "none" ? kernels::ConvActivation::kNone : kernels::ConvActivation::kSilu},
      l.recorder());
}

}  // namespace sluice::lower
