// y[m, n] = sum_k x[m, k] * (q[n, k] - zero[n, k / BLOCK]) * scale[n, k / BLOCK] (+ bias[n]) (+ residual[m, n]).
// A workgroup makes a tile (tile.wgsl); with packed dot products (CORE 2) x is what quantise_rows.wgsl left.
struct Params {
  m: u32,
  rows: u32,  // n
  k: u32,
  row_pitch: u32,
  blocks: u32,
  zero_pitch: u32,
  column_tiles: u32,
  row_tiles: u32,
}
@group(0) @binding(5) var<storage, read> residual: array<R>;
@group(0) @binding(6) var<storage, read_write> y: array<Y>;
#if CORE == 2
@group(0) @binding(8) var<uniform> params: Params;
#else
@group(0) @binding(7) var<uniform> params: Params;
#endif

#include "kernels/matmul/tile.wgsl"
#if CORE == 2
#include "kernels/matmul/dot_operands.wgsl"
#else
#include "kernels/matmul/activation_tile.wgsl"
#include "kernels/matmul/nbits_tile.wgsl"
#endif

var<private> first_row: u32;
var<private> first_column: u32;

// Rows and columns beyond the last are computed like the last and not stored.
fn row_of(row: u32) -> u32 {
  return min(first_row + row, params.m - 1u);
}

fn row_start(row: u32) -> u32 {
  return row_of(row) * params.k;
}

fn weight_row(column: u32) -> u32 {
  return min(first_column + column, params.rows - 1u);
}

fn start_tile(lane: u32, tile: u32) -> bool {
  if (tile >= params.row_tiles * params.column_tiles) {
    return false;
  }
  // Neighbouring workgroups share weights: rows vary fastest.
  first_row = tile % params.row_tiles * TM;
  first_column = tile / params.row_tiles * TN;
  used_rows = params.m - first_row;
#if CORE != 2
  find_rows(lane);
  find_columns(lane);
#endif
  return true;
}

fn store(m: u32, n: u32, sum: f32) {
  if (m >= params.m || n >= params.rows) {
    return;
  }
  var v = sum;
#if HAS_BIAS
  v += f32(bias[n]);
#endif
#if HAS_RESIDUAL
  v += f32(residual[m * params.rows + n]);
#endif
  y[m * params.rows + n] = Y(v);
}

fn store_pair(row: u32, column: u32, v: vec2<f32>) {
  store(first_row + row, first_column + column, v.x);
  store(first_row + row, first_column + column + 1u, v.y);
}
