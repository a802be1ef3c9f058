// One tile of an expert's product: TM entries of the sorted list (qmoe_sort.wgsl) by TN weight rows.
// STAGE 0: out[position] = the plain product with x of the entry's token (fc3); 1: activated; 2: activated and
// multiplied by what stage 0 left in its place; 3: the product with x[position] (fc2). With FUSED gate and linear rows
// alternate in the tile, so that an invocation gets both halves of an output as a pair; else with PAIRS, where rows are
// even, a pair is stored at once.
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(5) var<storage, read> plan: array<u32>;
#if PAIRS
@group(0) @binding(6) var<storage, read_write> out: array<vec2<O>>;
#else
@group(0) @binding(6) var<storage, read_write> out: array<O>;
#endif
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
// `before`: what stage 0 left in the place.
fn finished(sum: f32, before: f32) -> f32 {
#if STAGE == 1 || STAGE == 2
  return activate(sum, before);
#else
  return sum;
#endif
}

fn store(at: u32, i: u32, sums: vec2<f32>) {
#if PAIRS
  var before = vec2<f32>();
#if STAGE == 2
  before = vec2<f32>(out[at / 2u]);
#endif
  out[at / 2u] = vec2<O>(vec2<f32>(finished(sums.x, before.x), finished(sums.y, before.y)));
#else
  store_one(at, sums.x);
  if (i + 1u < params.rows) {
    store_one(at + 1u, sums.y);
  }
#endif
}

#if PAIRS == 0
fn store_one(at: u32, sum: f32) {
#if STAGE == 2
  out[at] = O(finished(sum, f32(out[at])));
#else
  out[at] = O(finished(sum, 0.0));
#endif
}
#endif
#endif

fn store_pair(row: u32, column: u32, v: vec2<f32>) {
  let position = first_position + row;
  let i = first_column + column;
  if (position >= end_position || i >= params.rows) {
    return;
  }
  let sums = vec2<f32>(biased(column, v.x), biased(column + 1u, v.y));
#if FUSED
  out[position * params.inner + i / 2u] = O(activate(sums.x, sums.y));
#else
  store(position * params.rows + i, i, sums);
#endif
}
