// Inside of the QMoE planner: what its two ways of running share.
#pragma once

#include <cstdint>

#include "kernels/common/parts.h"
#include "kernels/matmul/nbits_plan.h"
#include "kernels/moe/qmoe.h"

namespace sluice::kernels {

struct alignas(16) QMoEParams {
  uint32_t tokens, first_token, experts, top;
  uint32_t inner, hidden, rows, k;
  uint32_t row_pitch, blocks, zero_pitch, head;
  uint32_t tiles;
  float alpha, beta, limit;
  uint32_t inner_units;
  float epsilon;
  float scale, least_log, score_epsilon;
  uint32_t pad[3];
};
static_assert(sizeof(QMoEParams) == 96);

// A checked problem with its sizes.
struct QMoESizes {
  uint32_t tokens = 0, hidden = 0, inner = 0, experts = 0;
  uint32_t fused = 0;  // 0, or the layout of gate and linear rows in fc1 (swiglu_fusion)
};

// STAGE of the kernels that multiply by an expert's weights.
enum class QMoEStage : uint32_t { kPlain = 0, kActivate = 1, kActivateTimesPlain = 2, kDown = 3 };

NBitsWeights expert_weights(const QMoEProblem& problem, const QMoEProblem::Expert& expert, uint32_t rows, uint32_t k);

NBitsWeights down_weights(const QMoEProblem& problem, const QMoESizes& sizes);

// Words of the mixing weights and experts of all tokens, before the inner activations of the decode kernels.
uint32_t head_words(const QMoEProblem& problem, const QMoESizes& sizes);
// Workgroup memory of select.wgsl.
uint32_t selection_bytes(const QMoESizes& sizes);

// Uniforms of a kernel over `weights`; first_token, head and tiles are left at 0.
QMoEParams qmoe_params(const QMoEProblem& problem, const QMoESizes& sizes, const NBitsWeights& weights);

// ACT, PAIRED, FUSED, STAGE; Q, M, C, HAS_CHOICE_BIAS, MIX, LEAST_WEIGHT_BITS, EXPERTS, SPLIT (see select.wgsl); X,
// X_ACCESS, HAS_BIAS and those of nbits.wgsl.
void append_activation_defines(const QMoEProblem& problem, uint32_t fused, QMoEStage stage, Defines& defines);
void append_selection_defines(const QMoEProblem& problem, const QMoESizes& sizes, uint32_t split, Defines& defines);
// The tensor beside the router's that the selection reads (AT_ROUTER_WEIGHTS or AT_CHOICE_BIAS), and the norm's weight
// (AT_GAMMA). `free` is the place of an operand that stands in for an absent one, to be used first; 0 if there is none.
void append_selection_operands(const QMoEProblem& problem, size_t free, Dispatch& dispatch);
void append_row_defines(const Tensor& x, const NBitsWeights& weights, Defines& defines);

// route: (2 * tokens * k) f32, the mixing weights of each token's experts, then the experts as floats.
void plan_qmoe_route(const QMoEProblem& problem, const QMoESizes& sizes, const Tensor& route, Recorder& recorder);
// For expert tensors that are too large for one binding: the experts in parts, one after another.
void plan_qmoe_in_parts(const QMoEProblem& problem, const QMoESizes& sizes, const std::vector<Part>& parts,
                        Recorder& recorder);
// The second product of few tokens, but for the kernel, its shape and its uniforms.
Dispatch down_dispatch(const QMoEProblem& problem, const QMoESizes& sizes, const Tensor& inner);

void plan_qmoe_decode(const QMoEProblem& problem, const QMoESizes& sizes, Recorder& recorder);
// Whether products of integers can stand in for those of the decode kernels: float16 activations, whose own rounding is
// coarser, and rows of whole loads on a device with dot4I8Packed.
bool takes_fixed(const QMoEProblem& problem, const QMoESizes& sizes, const gpu::Caps& caps);
void plan_qmoe_fixed(const QMoEProblem& problem, const QMoESizes& sizes, Recorder& recorder);
// Whether the products of many tokens are made by subgroup matrices: where the model's own type is f16, so may their
// operands be.
bool takes_matrices(const QMoEProblem& problem, const gpu::Caps& caps);
void plan_qmoe_prefill(const QMoEProblem& problem, const QMoESizes& sizes, Recorder& recorder);

}  // namespace sluice::kernels
