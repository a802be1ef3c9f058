#include "kernels/matmul/tile_plan.h"

#include <algorithm>
#include <limits>
#include <span>

namespace sluice::kernels {

namespace {

// A tile and the time that it takes in relation to others of its core, when as many are made at once as the device can.
struct Candidate {
  TileShape shape;
  double time;
};

constexpr auto kFma = TileCore::kMultiplyAdds;
constexpr auto kMatrix = TileCore::kMatrices;
constexpr auto kDot = TileCore::kDots;

// Times as measured on an NVIDIA H200. Small tiles take longer than their share of a large one, because fewer products
// follow from every value that is staged.
constexpr Candidate kMultiplyAdds[] = {{{kFma, 128, 128, 8, 8, 16}, 16.0}, {{kFma, 64, 128, 8, 8, 16}, 8.5},
                                       {{kFma, 64, 64, 8, 8, 16}, 4.3},    {{kFma, 32, 64, 4, 8, 16}, 2.7},
                                       {{kFma, 32, 32, 4, 4, 16}, 1.6},    {{kFma, 16, 64, 2, 8, 16}, 2.2},
                                       {{kFma, 16, 32, 2, 4, 16}, 1.2}};
constexpr Candidate kMatrices[] = {{{kMatrix, 128, 128, 64, 32, 64}, 16.0}, {{kMatrix, 128, 128, 64, 32, 32}, 19.0},
                                   {{kMatrix, 128, 64, 64, 32, 32}, 10.0},  {{kMatrix, 64, 128, 64, 32, 32}, 10.0},
                                   {{kMatrix, 64, 64, 32, 32, 64}, 5.5},    {{kMatrix, 64, 64, 64, 32, 64}, 6.0},
                                   {{kMatrix, 32, 64, 32, 32, 64}, 4.0},    {{kMatrix, 32, 64, 32, 32, 32}, 4.6}};
constexpr Candidate kDots[] = {{{kDot, 128, 64, 8, 4, 64}, 8.0},
                               {{kDot, 64, 64, 8, 4, 64}, 4.0},
                               {{kDot, 32, 64, 4, 4, 64}, 2.5},
                               {{kDot, 32, 32, 4, 4, 64}, 1.4}};

std::span<const Candidate> candidates(TileCore core) {
  if (core == TileCore::kMatrices) return kMatrices;
  if (core == TileCore::kDots) return kDots;
  return kMultiplyAdds;
}

uint32_t invocations(const TileShape& t) { return t.subgroup * (t.rows / t.own_rows) * (t.columns / t.own_columns); }

uint32_t workgroup_bytes(const TileShape& t) {
  const uint32_t lines = t.rows + t.columns;
  switch (t.core) {
    case TileCore::kMatrices: {
      const uint32_t patches = invocations(t) / t.subgroup * 1024;
      return lines * (t.step + 8) * 2 + patches;
    }
    case TileCore::kDots:
      return lines * (t.step + t.step / 32 * 4);
    default:
      return lines * t.step * 4;
  }
}

bool fits(const TileShape& t, const gpu::Caps& caps) {
  if (t.core == TileCore::kMatrices && !has_subgroup_matrices(caps)) return false;
  return invocations(t) <= std::min(256u, caps.max_invocations) && workgroup_bytes(t) <= caps.max_workgroup_storage;
}

TileShape on_device(TileShape t, const gpu::Caps& caps) {
  if (t.core == TileCore::kMatrices) t.subgroup = caps.subgroup_max;
  return t;
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

std::vector<TileShape> tile_shapes(TileCore core, const gpu::Caps& caps) {
  std::vector<TileShape> shapes;
  for (const Candidate& c : candidates(core)) {
    if (const TileShape shape = on_device(c.shape, caps); fits(shape, caps)) shapes.push_back(shape);
  }
  return shapes;
}

TileShape tile_shape(const TileDemand& demand, const gpu::Caps& caps) {
  const Candidate* best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const Candidate& c : candidates(demand.core)) {
    if (!fits(on_device(c.shape, caps), caps)) continue;
    if (demand.tile_rows != 0 && c.shape.rows != demand.tile_rows) continue;
    const double time = time_of(c, demand);
    if (time >= least) continue;
    best = &c;
    least = time;
  }
  if (best == nullptr) {
    fail("tile", "the device's workgroups ({} invocations, {} bytes) hold no tile of {} rows", caps.max_invocations,
         caps.max_workgroup_storage, demand.tile_rows);
  }
  TileShape shape = on_device(best->shape, caps);
  shape.halves = demand.groups > 1 && shape.core == TileCore::kMultiplyAdds && shape.own_rows >= 4;
  return shape;
}

void append_tile_defines(const TileShape& t, uint32_t k, Defines& defines) {
  defines.insert(defines.end(), {{"CORE", static_cast<uint32_t>(t.core)},
                                 {"RAGGED", k % t.step == 0 ? 0u : 1u},
                                 {"TM", t.rows},
                                 {"TN", t.columns}});
  if (t.core == TileCore::kMatrices) {
    defines.insert(defines.end(), {{"IM", t.own_rows / 16}, {"SUBGROUP", t.subgroup}, {"QUADS", t.step / 4}});
  } else {
    defines.insert(defines.end(), {{"TR", t.own_rows}, {"TC", t.own_columns}, {"HALVES", t.halves ? 1u : 0u}});
  }
}

}  // namespace sluice::kernels
