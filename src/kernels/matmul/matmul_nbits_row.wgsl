// The products of one row x with up to four quantised matrices, y_s[n] = sum_k x[k] * w_s[n, k] (+ bias_s[n])
// (+ residual[n]), all of one K and one kind of blocks. A team of LANES invocations owns COLS weight rows and strides over K,
// DEPTH units of each row at a time, all of them loaded before the first is used; a workgroup computes params.tiles tiles of
// its teams' rows, one after the other, of one matrix.
// GATED: the rows of two matrices alternate, and y[n] = g * sigmoid(alpha * g) * u of the two sums g and u.
// INT8: x lies in workgroup memory as bytes (int8_row.wgsl), STAGED: as floats (staged_row.wgsl), else it is read where
// it is. NORM: x is multiplied by gamma, and the sums by 1 / sqrt(mean(x^2) + epsilon), so that it is RMS-normalised.
struct Params {
  columns: vec4<u32>,      // n of each matrix
  first_tiles: vec4<u32>,  // of each matrix, in a count over all
  k: u32,
  row_pitch: u32,
  blocks: u32,
  zero_pitch: u32,
  tiles: u32,
  epsilon: f32,
  alpha: f32,
  rows: u32,
}
#if X_ACCESS == 0
@group(0) @binding(0) var<storage, read> x: array<X>;
#else
@group(0) @binding(0) var<storage, read> x: array<vec4<X>>;
#endif
#if NORM
#if X_ACCESS == 0
@group(0) @binding(1) var<storage, read> gamma: array<G>;
#else
@group(0) @binding(1) var<storage, read> gamma: array<vec4<G>>;
#endif
#endif
#if HAS_RESIDUAL
@group(0) @binding(AT_Y - 1u) var<storage, read> residual: array<R>;
#endif
@group(0) @binding(AT_Y) var<storage, read_write> y: array<Y>;
#if SETS != 1 && !GATED
@group(0) @binding(AT_Y + 1u) var<storage, read_write> y_1: array<Y>;
#if SETS != 2
@group(0) @binding(AT_Y + 2u) var<storage, read_write> y_2: array<Y>;
#endif
#if SETS == 4
@group(0) @binding(AT_Y + 3u) var<storage, read_write> y_3: array<Y>;
#endif
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

const ROWS: u32 = 1u;
const TEAMS: u32 = WG / LANES;
#if GATED
const OUTPUTS: u32 = COLS / 2u;  // of a team
#else
const OUTPUTS: u32 = COLS;
#endif
#if COLS == 4
alias Sums = vec4<f32>;
#elif COLS == 2
alias Sums = vec2<f32>;
#else
alias Sums = f32;
#endif
var<private> acc: array<Sums, ROWS>;
var<private> x_start: u32;

#include "kernels/common/flat_id.wgsl"
#include "kernels/matmul/nbits.wgsl"
#include "kernels/matmul/lane_sum.wgsl"
#include "kernels/matmul/row_access.wgsl"
#if INT8
#include "kernels/matmul/int8_row.wgsl"
#if NORM
#include "kernels/matmul/row_squares.wgsl"
#endif
#elif STAGED
#include "kernels/matmul/staged_row.wgsl"
#endif

alias Units = array<Words, DEPTH * COLS>;
alias Factors = array<f32, DEPTH * COLS>;
var<private> weight_rows: array<u32, COLS>;
var<private> ahead: Units;  // what the next step multiplies
var<private> ahead_scales: Factors;
var<private> ahead_zeros: Factors;
var<private> sums: array<f32, COLS>;

fn load_units(first_unit: u32) {
  for (var d = 0u; d < DEPTH; d++) {
    let unit = min(first_unit + d * LANES, UNITS - 1u);
    let block = block_of(unit * UNIT_VALUES);
    for (var c = 0u; c < COLS; c++) {
#if GATED
      weight_set = c % 2u;
#endif
      ahead[d * COLS + c] = weight_words(weight_rows[c] * params.row_pitch + unit);
      ahead_scales[d * COLS + c] = scale_of(weight_rows[c], block);
      ahead_zeros[d * COLS + c] = zero_point_of(weight_rows[c], block);
    }
  }
}

// Few loops, so that compilers unroll them all and keep the arrays in registers.
#if INT8
fn add_unit(units: Units, scales: Factors, d: u32, unit: u32) {
  let x = row_bytes(unit);
  for (var c = 0u; c < COLS; c++) {
    sums[c] += scales[d * COLS + c] * int8_scales[unit] * f32(dot_unit(units[d * COLS + c], x));
  }
}
#else
fn x4(unit: u32, quad: u32) -> vec4<f32> {
#if STAGED
  return staged_quad(unit, quad);
#else
  return row_quad(unit * UNIT_VALUES + 4u * quad) * X_SCALE;
#endif
}

fn word_of(words: Words, i: u32) -> u32 {
#if UNIT == 1
  return words;
#else
  return words[i];
#endif
}

fn add_unit(units: Units, scales: Factors, zeros: Factors, d: u32, unit: u32) {
  var part = array<f32, COLS>();
  for (var i = 0u; i < UNIT; i++) {
    for (var quad = 0u; quad < VALUES / 4u; quad++) {
      let x = x4(unit, i * (VALUES / 4u) + quad);
      for (var c = 0u; c < COLS; c++) {
        part[c] += dot(scaled_quad(word_of(units[d * COLS + c], i), quad, zeros[d * COLS + c]), x);
      }
    }
  }
  for (var c = 0u; c < COLS; c++) {
    sums[c] += scales[d * COLS + c] * part[c];
  }
}
#endif

// The sums over what this lane sees of the team's rows. The first units are loaded already.
fn add_units(lane: u32) {
  sums = array<f32, COLS>();
  for (var unit = lane % LANES; unit < UNITS; unit += LANES * DEPTH) {
    let units = ahead;
    let scales = ahead_scales;
#if !INT8
    let zeros = ahead_zeros;
#endif
    if (unit + LANES * DEPTH < UNITS) {
      load_units(unit + LANES * DEPTH);
    }
    for (var d = 0u; d < DEPTH; d++) {
      if (unit + d * LANES < UNITS) {
#if INT8
        add_unit(units, scales, d, unit + d * LANES);
#else
        add_unit(units, scales, zeros, d, unit + d * LANES);
#endif
      }
    }
  }
#if COLS == 4
  acc[0] = vec4<f32>(sums[0], sums[1], sums[2], sums[3]);
#elif COLS == 2
  acc[0] = vec2<f32>(sums[0], sums[1]);
#else
  acc[0] = sums[0];
#endif
}

#if SUBGROUPS
fn stage(lane: u32, subgroup_lane: u32, subgroup_size: u32) {
#else
fn stage(lane: u32) {
#endif
#if INT8
  let squares = stage_bytes(lane);
#elif STAGED
  let squares = stage_row(lane, UNITS);
#endif
#if NORM && SUBGROUPS
  stage_squares(lane, squares, subgroup_lane, subgroup_size);
#elif NORM
  stage_squares(lane, squares);
#endif
#if INT8 || STAGED
  workgroupBarrier();
#endif
}

fn sum_of(column: u32) -> f32 {
#if COLS == 1
  return total(0u, column);
#else
  return total(0u, column / COLS)[column % COLS];
#endif
}

fn output(i: u32, n: u32, norm: f32) -> f32 {
#if GATED
  var gate = norm * sum_of(2u * i);
  var up = norm * sum_of(2u * i + 1u);
#if HAS_BIAS
  weight_set = 0u;
  gate += bias_at(n);
  weight_set = 1u;
  up += bias_at(n);
#endif
  return gate / (1.0 + exp(-params.alpha * gate)) * up;
#else
  var v = norm * sum_of(i);
#if HAS_BIAS
  v += bias_at(n);
#endif
#if HAS_RESIDUAL
  v += f32(residual[n]);
#endif
  return v;
#endif
}

fn store(n: u32, v: f32) {
#if SETS == 1 || GATED
  y[n] = Y(v);
#else
  switch weight_set {
    case 1u: {
      y_1[n] = Y(v);
    }
#if SETS != 2
    case 2u: {
      y_2[n] = Y(v);
    }
#endif
#if SETS == 4
    case 3u: {
      y_3[n] = Y(v);
    }
#endif
    default: {
      y[n] = Y(v);
    }
  }
#endif
}

// The first output of a tile, in the matrix that it names.
fn choose_tile(tile: u32) -> u32 {
#if SETS == 1 || GATED
  return tile * TEAMS * OUTPUTS;
#else
  weight_set = 0u;
  for (var s = 1u; s < SETS; s++) {
    weight_set += select(0u, 1u, tile >= params.first_tiles[s]);
  }
  return (tile - params.first_tiles[weight_set]) * TEAMS * OUTPUTS;
#endif
}

fn choose_rows(lane: u32, first: u32) {
  let row = first + OUTPUTS * (lane / LANES);
  for (var c = 0u; c < COLS; c++) {
    weight_rows[c] = min(row + c * OUTPUTS / COLS, params.columns[weight_set] - 1u);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_size: u32,
#endif
        @builtin(num_workgroups) count: vec3<u32>) {
  let tile = flat_workgroup(id, count) * params.tiles;
  var first = choose_tile(tile);
  choose_rows(lane, first);
  load_units(lane % LANES);
#if SUBGROUPS
  stage(lane, subgroup_lane, subgroup_size);
#else
  stage(lane);
#endif
  for (var t = 0u; t < params.tiles; t++) {
    add_units(lane);
    if (t + 1u < params.tiles) {
      choose_rows(lane, first + TEAMS * OUTPUTS);
      load_units(lane % LANES);
    }
#if SUBGROUPS
    sum_lanes(lane, subgroup_lane, subgroup_size);
#else
    sum_lanes(lane);
#endif
#if NORM
    let norm = inverseSqrt(staged_squares() / f32(params.k) + params.epsilon);
#else
    let norm = 1.0;
#endif
    for (var i = lane; i < TEAMS * OUTPUTS; i += WG) {
      if (first + i < params.columns[weight_set]) {
        store(first + i, output(i, first + i, norm));
      }
    }
    first += TEAMS * OUTPUTS;
    workgroupBarrier();
  }
}
