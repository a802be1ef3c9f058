// The shape of the tiles that products of many rows are made in: the planner's side of tile.wgsl.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/common/matrices.h"
#include "kernels/matmul/nbits_plan.h"

namespace sluice::kernels {

// Who multiplies, numbered as CORE in tile.wgsl: f32 multiply-adds; subgroup matrices of f16 added up in f32; packed
// dot products of 8-bit integers.
enum class TileCore : uint32_t { kMultiplyAdds = 0, kMatrices = 1, kDots = 2 };

struct TileShape {
  TileCore core = TileCore::kMultiplyAdds;
  uint32_t rows = 64, columns = 64;
  uint32_t own_rows = 8, own_columns = 8;  // of an invocation; of a subgroup with matrices
  uint32_t step = 16;                      // values of K that are staged at a time
  uint32_t subgroup = 1;                   // invocations that own rows and columns together
  bool halves = false;                     // half of the work where half of the rows are used
  bool operator==(const TileShape&) const = default;
};

// A product that is to be cut into tiles: `groups` sets of rows (experts) of about `rows` each, by `columns`.
struct TileDemand {
  TileCore core = TileCore::kMultiplyAdds;
  uint64_t rows = 0, columns = 0;
  uint64_t groups = 1;
  uint32_t tile_rows = 0;  // that the tile must have; 0: any
};

// Every tile of a core that fits the device's limits.
std::vector<TileShape> tile_shapes(TileCore core, const gpu::Caps& caps);

// The one that promises the least time. Throws Error if none has the wanted rows.
TileShape tile_shape(const TileDemand& demand, const gpu::Caps& caps);

// CORE, RAGGED (rows of k values do not end with a step), TM, TN, and TR, TC, HALVES or IM, SUBGROUP, QUADS.
void append_tile_defines(const TileShape& tile, uint32_t k, Defines& defines);

}  // namespace sluice::kernels
