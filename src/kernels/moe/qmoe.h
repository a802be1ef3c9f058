// QMoE and MoE (com.microsoft): a router picks k experts for each token; y = sum over them of weight *
// fc2(activation(fc1(x))).
#pragma once

#include <cstdint>
#include <limits>

#include "kernels/common/plan.h"

namespace sluice::kernels {

enum class MoeActivation : uint8_t { kRelu, kGelu, kSilu, kSwiglu, kIdentity };
// kDecode: two dispatches (three with fc3) that read each chosen expert once per token. kPrefill: tokens sorted by
// expert, tiles.
enum class QMoEVariant : uint8_t { kAuto, kDecode, kPrefill };

// A router whose scores are the sigmoids of `router`: the k experts of the greatest score + bias are chosen (of equal
// ones the lower), and mixed by their scores, max(score, least) / sum of those, times total / (total + epsilon), where
// total is the sum of the scores as they are. A token with a NaN among the chosen contributes nothing.
struct SigmoidRouter {
  bool used = false;
  Storage rounding = Storage::kF32;  // scores are rounded to this type, and again with the bias added
  Tensor bias;                       // optional (E), of that type
  float least = 0, epsilon = 0;
};

// T tokens, H hidden size, I inner size, E experts, F = 2 if swiglu_fusion != 0 else 1. Quantised rows run along the
// last dimension, low bits first; value = (q - zero_point) * scale, where an absent zero point is 2^(bits - 1). Floats
// are f32 or f16, each tensor of its own.
// Sums are f32; of many tokens each expert's result is rounded to the input's type before they are mixed.
// Equal logits go to the higher expert (with the sparse mixer to the lower one). Experts of a mixing weight that is not
// above 1e-8 (QMoE) or 0 (MoE) contribute nothing: so do negative router_weights and tokens whose logits hold a NaN or
// whose largest is infinite, which are deterministic zeros. All this is what ONNX Runtime's CPU kernels do; the sparse
// mixer, which they ignore, follows its CUDA kernel.
struct QMoEProblem {
  struct Expert {
    Tensor weights;  // kBytes (E, rows, columns * bits / 8); with bits == 0 f32 or f16 (E, rows, columns)
    Tensor scales;   // (E, rows), or (E, rows, columns / block_size); absent with bits == 0
    Tensor bias;     // optional (E, rows)
    Tensor
        zero_points;  // optional kBytes (E, ceil(rows * bits / 8)), or (E, rows, ceil(columns / block_size * bits / 8))
  };
  Tensor input;           // (T, H) or (B, S, H)
  Tensor router;          // (T, E), raw logits
  Expert fc1;             // rows F * I, columns H
  Expert fc2;             // rows H, columns I
  Expert fc3;             // optional: rows I, columns H; a second projection that multiplies the activated first
  Tensor router_weights;  // optional (T, E): mixing weights, read where `router` only selects
  Tensor norm_weight;     // optional (H), for one token whose row fits in workgroup memory (max_norm_width): the
                          // input is RMS-normalised with it first
  Tensor residual;        // optional, like y, added to it; not the slot of y
  Tensor y;               // like input
  uint32_t k = 1;
  uint32_t bits = 4;        // 2, 4, 8; 0 for float weights (the MoE operator)
  uint32_t block_size = 0;  // 0: one scale a row; else a power of two >= 16 that divides H and I
  MoeActivation activation = MoeActivation::kRelu;
  uint32_t swiglu_fusion =
      0;  // 0: fc1 (and fc3); 1: gate and linear rows of fc1 alternate; 2: all gate rows, then all linear rows
  float activation_alpha = 1, activation_beta = 0;  // SwiGLU: G * sigmoid(alpha * G) * (L + beta)
  float swiglu_limit =
      std::numeric_limits<float>::infinity();  // G = min(gate, limit), L = clamp(linear, -limit, limit)
  // Without router_weights QMoE takes the softmax over the k chosen either way; MoE (bits 0) over the k chosen if true,
  // else over all experts. router_weights are divided by the sum of those chosen if true. (ONNX Runtime's CPU kernels
  // do the same.)
  bool normalize_routing_weights = false;
  float norm_epsilon = 1e-5f;
  float scale = 1;        // of the experts' sum, before the residual
  SigmoidRouter sigmoid;  // excludes router_weights and the sparse mixer
  // The selection of Phi-3.5-MoE, k = 2, without router_weights: the weight of either expert is its softmax among those
  // whose logits are within a fiftieth of it (twice a jitter of 0.01, relative), the second's without the first.
  bool use_sparse_mixer = false;
  QMoEVariant variant = QMoEVariant::kAuto;
};

// Throws Error("qmoe") for what is outside the above, naming the attribute or tensor. No tokens: nothing is recorded.
void plan_qmoe(const QMoEProblem& problem, Recorder& recorder);

}  // namespace sluice::kernels
