#include "kernels/matmul/tile_plan.h"

#include <algorithm>
#include <limits>
#include <span>

namespace sluice::kernels {
namespace {

// A tile and the time that it takes in relation to others, when as many are made at once as the device can.
struct Candidate {
  TileShape shape;
  double time;
};

// Measured on an NVIDIA H200. Small tiles take longer than their share of a large one, because fewer products follow
// from every value that is staged.
constexpr Candidate kMultiplyAdds[] = {{{128, 128, false, 8, 8}, 16.0}, {{64, 128, false, 8, 8}, 8.6},
                                       {{64, 64, false, 8, 8}, 4.4},    {{32, 64, false, 4, 8}, 2.8},
                                       {{32, 32, false, 4, 4}, 1.9},    {{16, 64, false, 2, 8}, 1.9},
                                       {{16, 32, false, 2, 4}, 1.4}};

constexpr TileShape matrix_shape(uint32_t rows, uint32_t columns, uint32_t subgroup_rows, uint32_t step) {
  return {rows, columns, true, 0, 0, 0, subgroup_rows, step};
}
constexpr Candidate kMatrices[] = {{matrix_shape(128, 128, 64, 64), 16.0}, {matrix_shape(128, 128, 64, 32), 19.0},
                                   {matrix_shape(128, 64, 64, 64), 8.8},   {matrix_shape(64, 128, 64, 64), 9.0},
                                   {matrix_shape(64, 64, 64, 64), 5.4},    {matrix_shape(32, 128, 32, 64), 6.0},
                                   {matrix_shape(32, 64, 32, 64), 3.5}};

uint32_t invocations(const TileShape& t) {
  if (!t.matrices) return t.rows / t.thread_rows * (t.columns / t.thread_columns);
  return t.subgroup * (t.rows / t.subgroup_rows) * (t.columns / 32);
}

uint32_t workgroup_bytes(const TileShape& t) {
  if (!t.matrices) return (t.rows + t.columns) * t.step * 4;
  return (t.rows + t.columns) * (t.step + 8) * 2 + invocations(t) / t.subgroup * 1024;
}

double time_of(const Candidate& candidate, const TileDemand& demand) {
  constexpr uint64_t kAtOnce = 128;  // large GPUs have as many multiprocessors; smaller ones lose little by it
  const TileShape& t = candidate.shape;
  // Groups differ in size: the last tile of each is half empty on average.
  const uint64_t halves = demand.groups == 1 ? 2 * ceil_div64(demand.rows, t.rows)
                                             : 2 * demand.groups * demand.rows / t.rows + demand.groups;
  const uint64_t tiles = ceil_div64(halves * ceil_div64(demand.columns, t.columns), 2);
  return candidate.time * static_cast<double>(ceil_div64(tiles, kAtOnce));
}

}  // namespace

bool has_subgroup_matrices(const gpu::Caps& caps) {
  using Type = gpu::SubgroupMatrix::Type;
  const gpu::SubgroupMatrix wanted{Type::kF16, Type::kF32, 16, 16, 16};
  return caps.f16 && caps.subgroup_min == caps.subgroup_max && caps.subgroup_max > 0 &&
         std::find(caps.subgroup_matrices.begin(), caps.subgroup_matrices.end(), wanted) !=
             caps.subgroup_matrices.end();
}

TileShape tile_shape(const TileDemand& demand, const gpu::Caps& caps) {
  const bool matrices = demand.matrices && has_subgroup_matrices(caps);
  TileShape best;
  double least = std::numeric_limits<double>::infinity();
  for (const Candidate& c : matrices ? std::span<const Candidate>(kMatrices) : kMultiplyAdds) {
    Candidate candidate = c;
    if (matrices) candidate.shape.subgroup = caps.subgroup_max;
    if (demand.tile_rows != 0 && candidate.shape.rows != demand.tile_rows) continue;
    if (invocations(candidate.shape) > std::min(256u, caps.max_invocations)) continue;
    if (workgroup_bytes(candidate.shape) > caps.max_workgroup_storage) continue;
    const double time = time_of(candidate, demand);
    if (time >= least) continue;
    best = candidate.shape;
    least = time;
  }
  return best;
}

void append_tile_defines(const TileShape& t, Defines& defines) {
  defines.insert(defines.end(), {{"MATRICES", t.matrices ? 1u : 0u}, {"TM", t.rows}, {"TN", t.columns}});
  if (t.matrices) {
    defines.insert(defines.end(), {{"IM", t.subgroup_rows / 16}, {"SUBGROUP", t.subgroup}, {"QUADS", t.step / 4}});
  } else {
    defines.insert(defines.end(), {{"TR", t.thread_rows}, {"TC", t.thread_columns}});
  }
}

}  // namespace sluice::kernels
