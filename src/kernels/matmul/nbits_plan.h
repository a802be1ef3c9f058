// How a kernel reads rows of quantised (or float) weights: the planner's side of nbits.wgsl, shared by MatMulNBits and
// QMoE.
#pragma once

#include <cstdint>

#include "kernels/common/plan.h"

namespace sluice::kernels {

// `rows` weight rows of k values, for each of any number of matrices (experts) that follow one another.
struct NBitsWeights {
  Tensor weights, scales, zero_points, bias;  // the last three optional; bindings 1 to 4
  uint32_t rows = 0, k = 0;
  uint32_t bits = 4;                   // 0, 2, 4, 8
  uint32_t block_size = 0;             // 0: one block a row
  bool zero_points_by_matrix = false;  // packed over the rows of a matrix instead of the blocks of a row
  uint32_t sets = 0;                   // not 0: matrices with bindings of their own (nbits_sets.wgsl)
};

// The derived numbers, named as in nbits.wgsl.
struct NBitsLayout {
  uint32_t unit = 4, unit_values = 4;
  bool aligned = true;
  uint32_t zero_kind = 0;
  uint32_t row_pitch = 0, blocks = 1, zero_pitch = 0;
  uint32_t units = 0;  // that cover a row
};

NBitsLayout nbits_layout(const NBitsWeights& weights);

using shader::Defines;
void append_nbits_defines(const NBitsWeights& weights, Defines& defines);

// Bindings 1 to 4; an absent tensor is stood in for by the weights, which the shader then does not touch.
constexpr size_t kZeroPoints = 3;  // their binding
void append_nbits_operands(const NBitsWeights& weights, std::vector<Operand>& operands);

// X_ACCESS of the activations: 2 quads that never pass the end of a row, 1 quads with a check, 0 single elements.
uint32_t activation_access(uint32_t k, const NBitsLayout& layout);

// Workgroup shape of the kernels that split rows over a team of invocations (lane_sum.wgsl).
struct TeamShape {
  uint32_t workgroup = 128;
  uint32_t lanes = 32;   // of a team
  uint32_t columns = 2;  // weight rows of a team
  bool subgroups = false;
  uint32_t smallest_subgroup = 1;
  uint32_t teams() const { return workgroup / lanes; }
  uint32_t partials() const { return workgroup / smallest_subgroup; }  // of a workgroup, in lane_sum.wgsl
};
// `workgroup`: of so many invocations; 0: as suits the device.
TeamShape team_shape(uint64_t units, const gpu::Caps& caps, uint32_t workgroup = 0);
// WG, LANES, COLS, SUBGROUPS, PARTIALS.
void append_team_defines(const TeamShape& team, Defines& defines);

// Quads of one row of activations in workgroup memory (STAGED), or 0 where it does not fit beside `reserved` bytes.
uint32_t staged_quads(const NBitsLayout& layout, const TeamShape& team, uint32_t reserved, const gpu::Caps& caps);

// The widest row that a product normalises on the way: it is staged, whatever else lies in workgroup memory.
uint32_t max_norm_width(const gpu::Caps& caps);

inline bool is_float(Storage storage) { return storage == Storage::kF32 || storage == Storage::kF16; }

}  // namespace sluice::kernels
