// Conv (ai.onnx) over one or two spatial axes, computed directly: what exports use as a depthwise convolution over
// time.
#pragma once

#include <array>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// How the window moves along one axis. out = (in + pad_begin + pad_end - dilation * (kernel - 1) - 1) / stride + 1.
struct ConvAxis {
  uint32_t stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;
};

// y[b,m,...] = bias[m] + sum over the C/G channels of m's group and the kernel of w * x; padding is 0. All tensors
// share one storage, kF32 or kF16.
struct ConvProblem {
  Tensor x;     // (B, C, W) or (B, C, H, W)
  Tensor w;     // (M, C/G, K) or (M, C/G, Kh, Kw); G divides C and M
  Tensor bias;  // optional (M)
  Tensor y;     // (B, M, ...); any slot but the inputs'
  uint32_t group = 1;
  std::array<ConvAxis, 2> axes;  // the first is unused with one spatial axis
};
void plan_conv(const ConvProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
