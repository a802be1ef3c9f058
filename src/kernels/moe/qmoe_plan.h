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
  uint32_t pad[2];
};
static_assert(sizeof(QMoEParams) == 80);

// A checked problem with its sizes.
struct QMoESizes {
  uint32_t tokens = 0, hidden = 0, inner = 0, experts = 0;
  uint32_t fused = 0;  // 0, or the layout of gate and linear rows in fc1 (swiglu_fusion)
};

// STAGE of the kernels that multiply by an expert's weights.
enum class QMoEStage : uint32_t { kPlain = 0, kActivate = 1, kActivateTimesPlain = 2, kDown = 3 };

NBitsWeights expert_weights(const QMoEProblem& problem, const QMoEProblem::Expert& expert, uint32_t rows, uint32_t k);

// Uniforms of a kernel over `weights`; first_token, head and tiles are left at 0.
QMoEParams qmoe_params(const QMoEProblem& problem, const QMoESizes& sizes, const NBitsWeights& weights);

// ACT, PAIRED, FUSED, STAGE; Q, M, MIX, EXPERTS; X, X_ACCESS, HAS_BIAS and those of nbits.wgsl.
void append_activation_defines(const QMoEProblem& problem, uint32_t fused, QMoEStage stage, Defines& defines);
void append_selection_defines(const QMoEProblem& problem, const QMoESizes& sizes, Defines& defines);
void append_row_defines(const Tensor& x, const NBitsWeights& weights, Defines& defines);

// route: (2 * tokens * k) f32, the mixing weights of each token's experts, then the experts as floats.
void plan_qmoe_route(const QMoEProblem& problem, const QMoESizes& sizes, const Tensor& route, Recorder& recorder);
// For expert tensors that are too large for one binding: the experts in parts, one after another.
void plan_qmoe_in_parts(const QMoEProblem& problem, const QMoESizes& sizes, const std::vector<Part>& parts,
                        Recorder& recorder);
void plan_qmoe_decode(const QMoEProblem& problem, const QMoESizes& sizes, Recorder& recorder);
void plan_qmoe_prefill(const QMoEProblem& problem, const QMoESizes& sizes, Recorder& recorder);

}  // namespace sluice::kernels
