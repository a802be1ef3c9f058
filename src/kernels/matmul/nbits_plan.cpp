#include "kernels/matmul/nbits_plan.h"

#include <algorithm>
#include <bit>

namespace sluice::kernels {
namespace {

// Words that one load may take: as many as keep it within a block and aligned in every row.
uint32_t load_unit(uint32_t words_of_row, uint32_t words_of_block) {
  for (const uint32_t unit : {4u, 2u}) {
    if (words_of_row % unit == 0 && words_of_block % unit == 0) return unit;
  }
  return 1;
}

uint32_t zero_kind(const NBitsWeights& w) {
  if (!w.zero_points) return 0;
  if (w.zero_points.storage != Storage::kBytes) return 2;
  return w.zero_points_by_matrix ? 3 : 1;
}

}  // namespace

NBitsLayout nbits_layout(const NBitsWeights& w) {
  NBitsLayout layout;
  layout.zero_kind = zero_kind(w);
  layout.blocks = w.block_size == 0 ? 1 : ceil_div(w.k, w.block_size);
  layout.zero_pitch = ceil_div((w.zero_points_by_matrix ? w.rows : layout.blocks) * w.bits, 8);
  if (w.bits == 0) {
    layout.unit = w.k % 4 == 0 ? 4 : 1;
    layout.row_pitch = w.k / layout.unit;
  } else {
    const uint32_t bytes = w.block_size == 0 ? ceil_div(w.k * w.bits, 8) : layout.blocks * w.block_size * w.bits / 8;
    layout.aligned = bytes % 4 == 0;
    layout.unit = layout.aligned ? load_unit(bytes / 4, w.block_size == 0 ? bytes / 4 : w.block_size * w.bits / 32) : 1;
    layout.row_pitch = layout.aligned ? bytes / 4 / layout.unit : bytes;
    layout.unit_values = layout.unit * 32 / w.bits;
  }
  layout.units = ceil_div(w.k, layout.unit_values);
  return layout;
}

void append_nbits_defines(const NBitsWeights& w, Defines& defines) {
  const NBitsLayout layout = nbits_layout(w);
  const auto type = [](const Tensor& t) { return std::string(t ? wgsl_type(t.storage) : "f32"); };
  defines.insert(defines.end(), {{"BITS", w.bits},
                                 {"BLOCK", w.block_size},
                                 {"UNIT", layout.unit},
                                 {"ALIGNED", layout.aligned ? 1u : 0u},
                                 {"ZP", layout.zero_kind},
                                 {"SETS", w.sets},
                                 {"W", w.bits == 0 ? type(w.weights) : "f32"},
                                 {"S", type(w.scales)},
                                 {"Z", layout.zero_kind == 2 ? type(w.zero_points) : "f32"},
                                 {"B", type(w.bias)}});
}

void append_nbits_operands(const NBitsWeights& w, std::vector<Operand>& operands) {
  for (const Tensor* t : {&w.weights, &w.scales, &w.zero_points, &w.bias}) operands.push_back(in(*t ? *t : w.weights));
}

uint32_t activation_access(uint32_t k, const NBitsLayout& layout) {
  if (k % 4 != 0) return 0;
  return k % layout.unit_values == 0 ? 2 : 1;
}

TeamShape team_shape(uint64_t units, const gpu::Caps& caps, uint32_t workgroup) {
  constexpr uint64_t kUnitsOfLane = 4;  // more make the longest wait too long, fewer leave lanes without work
  TeamShape shape;
  shape.workgroup = workgroup != 0  ? workgroup
                    : caps.software ? 128
                                    : std::min(256u, std::bit_floor(caps.max_invocations));
  shape.subgroups = caps.subgroups && caps.subgroup_max > 0 && caps.subgroup_max <= shape.workgroup;
  if (shape.subgroups) shape.smallest_subgroup = std::max(1u, caps.subgroup_min);
  shape.lanes = caps.software ? 8 : 32;  // a CPU runs invocations in turn: fewer partial sums are better
  if (shape.subgroups) {
    shape.lanes = std::max(shape.lanes, caps.subgroup_max);
  } else {
    while (shape.lanes > 4 && shape.lanes / 2 >= units) shape.lanes /= 2;
  }
  while (!caps.software && shape.lanes < shape.workgroup && units > kUnitsOfLane * shape.lanes) shape.lanes *= 2;
  return shape;
}

void append_team_defines(const TeamShape& team, Defines& defines) {
  defines.insert(defines.end(), {{"WG", team.workgroup},
                                 {"LANES", team.lanes},
                                 {"COLS", team.columns},
                                 {"SUBGROUPS", team.subgroups ? 1u : 0u},
                                 {"PARTIALS", team.partials()}});
}

uint32_t staged_quads(const NBitsLayout& layout, const TeamShape& team, uint32_t reserved, const gpu::Caps& caps) {
  const uint32_t quads = (layout.units | 1) * layout.unit_values / 4;
  const uint32_t sums = team.workgroup * (team.columns + 1) * 4;  // lane_sum.wgsl and staged_row.wgsl
  return uint64_t{quads} * 16 + sums + reserved <= caps.max_workgroup_storage ? quads : 0;
}

uint32_t max_norm_width(const gpu::Caps& caps) {
  constexpr uint32_t kSums = 256 * 3 * 4, kSelection = 8 * 1024, kPadding = 2 * 64 * 4;
  constexpr uint32_t kOther = kSums + kSelection + kPadding;
  return caps.max_workgroup_storage <= kOther ? 0 : (caps.max_workgroup_storage - kOther) / 4;
}

}  // namespace sluice::kernels
