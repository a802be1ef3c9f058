// One tile of an expert's product: TM entries of the sorted list (qmoe_sort.wgsl) by TN weight rows.
// STAGE 0: out[position] = the plain product with x of the entry's token (fc3); 1: activated; 2: activated and
// multiplied by what stage 0 left in its place; 3: out[entry] = product with x[position] (fc2). With FUSED gate and
// linear rows alternate in the tile, so that an invocation gets both halves of an output as a pair.
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(5) var<storage, read> plan: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<O>;
@group(0) @binding(7) var<uniform> params: Params;

#include "kernels/moe/activation.wgsl"
#include "kernels/matmul/tile.wgsl"
#include "kernels/matmul/activation_tile.wgsl"
#include "kernels/matmul/nbits_tile.wgsl"

var<private> first_column: u32;    // of the expert's weight rows, counted as the tile has them
var<private> expert_row: u32;      // first weight row of the expert
var<private> first_position: u32;  // in the sorted list
var<private> end_position: u32;

// Positions and columns beyond the last are computed like the last and not stored.
fn row_start(row: u32) -> u32 {
  let position = min(first_position + row, end_position - 1u);
#if STAGE == 3
  return position * params.k;
#else
  return (params.first_token + plan[params.head + position] / params.top) * params.k;
#endif
}

fn weight_row(column: u32) -> u32 {
  let i = min(first_column + column, params.rows - 1u);
#if FUSED == 2
  return expert_row + i % 2u * params.inner + i / 2u;
#else
  return expert_row + i;
#endif
}

fn start_tile(lane: u32, flat: u32) -> bool {
  let tile = flat / params.tiles;
  if (tile >= plan[0]) {
    return false;
  }
  expert_row = plan[1u + 3u * tile] * params.rows;
  first_position = plan[2u + 3u * tile];
  end_position = plan[3u + 3u * tile];
  first_column = flat % params.tiles * TN;
  used_rows = end_position - first_position;
  find_rows(lane);
  find_columns(lane);
  return true;
}

fn biased(column: u32, sum: f32) -> f32 {
#if HAS_BIAS
  return sum + f32(bias[weight_row(column)]);
#else
  return sum;
#endif
}

#if FUSED == 0
fn store(position: u32, column: u32, sum: f32) {
  let i = first_column + column;
  if (i >= params.rows) {
    return;
  }
  let v = biased(column, sum);
#if STAGE == 3
  out[plan[params.head + position] * params.hidden + i] = O(v);
#else
  let at = position * params.inner + i;
#if STAGE == 0
  out[at] = O(v);
#elif STAGE == 1
  out[at] = O(activate(v, 0.0));
#else
  out[at] = O(activate(v, f32(out[at])));
#endif
#endif
}
#endif

fn store_pair(row: u32, column: u32, v: vec2<f32>) {
  let position = first_position + row;
  if (position >= end_position) {
    return;
  }
#if FUSED
  let i = first_column + column;
  if (i < params.rows) {
    out[position * params.inner + i / 2u] = O(activate(biased(column, v.x), biased(column + 1u, v.y)));
  }
#else
  store(position, column, v.x);
  store(position, column + 1u, v.y);
#endif
}
