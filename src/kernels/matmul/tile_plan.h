// The shape of the tiles that products of many rows are made in: the planner's side of tile.wgsl.
#pragma once

#include <cstdint>

#include "kernels/matmul/nbits_plan.h"

namespace sluice::kernels {

struct TileShape {
  uint32_t rows = 64, columns = 64;
  bool matrices = false;                         // by subgroup matrices, else by multiply-adds
  uint32_t thread_rows = 8, thread_columns = 8;  // multiply-adds: sums of an invocation
  uint32_t subgroup = 0;                         // matrices: invocations of a subgroup, its rows by 32 columns,
  uint32_t subgroup_rows = 64;                   // and the values of K that a step stages
  uint32_t step = 16;
  bool operator==(const TileShape&) const = default;
};

// f16 products of 16 x 16 x 16 added up in f32, by subgroups of one known size.
bool has_subgroup_matrices(const gpu::Caps& caps);

// A product that is to be cut into tiles: `groups` sets of rows (experts) of about `rows` each, by `columns`.
struct TileDemand {
  uint64_t rows = 0, columns = 0;
  uint64_t groups = 1;
  bool matrices = false;   // whether operands rounded to f16 will do
  uint32_t tile_rows = 0;  // that the tile must have; 0: any
};
TileShape tile_shape(const TileDemand& demand, const gpu::Caps& caps);

// MATRICES, TM, TN, and TR, TC or IM, SUBGROUP, QUADS.
void append_tile_defines(const TileShape& tile, Defines& defines);

}  // namespace sluice::kernels
