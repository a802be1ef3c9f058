// inner[t, j, i] = activation(fc1 row(s) i of the j-th expert of token t . x[t] + bias), for a few tokens. Every
// workgroup selects the experts of its token anew, which costs less than a dispatch. A team of LANES invocations owns
// two weight rows: two outputs i, or the gate and linear rows of one output (FUSED 1: alternating, 2: halves). A head
// precedes the activations: the mixing weights (t, j), then the experts (t, j) as floats, written by one workgroup a
// token.
// STAGE 0: the plain product (of fc3); 1: activated; 2: activated and multiplied by what stage 0 left in its place.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
#if X_ACCESS == 0
@group(0) @binding(0) var<storage, read> x: array<X>;
#else
@group(0) @binding(0) var<storage, read> x: array<vec4<X>>;
#endif
@group(0) @binding(5) var<storage, read> router: array<Q>;
@group(0) @binding(6) var<storage, read_write> inner: array<f32>;
#if NORM
#if X_ACCESS == 0
@group(0) @binding(AT_GAMMA) var<storage, read> gamma: array<G>;
#else
@group(0) @binding(AT_GAMMA) var<storage, read> gamma: array<vec4<G>>;
#endif
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

const ROWS: u32 = 1u;
const TEAMS: u32 = WG / LANES;
#if FUSED
const PAIRS: u32 = COLS / 2u;  // outputs of a team
#else
const PAIRS: u32 = COLS;
#endif
const OUTPUTS: u32 = PAIRS * TEAMS;  // of a workgroup
var<private> x_start: u32;

#include "kernels/moe/select.wgsl"
#include "kernels/moe/activation.wgsl"
#include "kernels/matmul/nbits_dot.wgsl"
#include "kernels/matmul/lane_sum.wgsl"
#include "kernels/matmul/row_access.wgsl"
#if STAGED
#include "kernels/matmul/staged_row.wgsl"
#endif

fn x4(m: u32, unit: u32, quad: u32) -> vec4<f32> {
#if STAGED
  return staged_quad(unit, quad);
#else
  return row_quad(unit * UNIT_VALUES + 4u * quad) * X_SCALE;
#endif
}

fn biased(row: u32, sum: f32) -> f32 {
#if HAS_BIAS
  return sum + f32(bias[row]);
#else
  return sum;
#endif
}

fn gate_row(i: u32) -> u32 {
#if FUSED == 1
  return 2u * i;
#else
  return i;
#endif
}

fn linear_row(i: u32) -> u32 {
#if FUSED == 1
  return 2u * i + 1u;
#else
  return params.inner + i;
#endif
}

// Element i of a row of inner: quads by their place in a unit (of INNER_QUADS) of fc2 first, as in staged_row.wgsl.
fn inner_place(row: u32, i: u32) -> u32 {
  let quad = i / 4u;
  let place = quad % INNER_QUADS * params.inner_units + quad / INNER_QUADS;
  return params.head + 4u * (row * params.inner_units * INNER_QUADS + place) + i % 4u;
}

fn store_head(token: u32, lane: u32) {
  for (var j = lane; j < params.top; j += WG) {
    inner[token * params.top + j] = mixing_weight(token, j);
    inner[(params.tokens + token) * params.top + j] = f32(chosen[j]);
  }
}

// An activation is left where qmoe_decode_fc2.wgsl reads it, times the X_SCALE of its place; zeros fill the last unit.
fn store(row: u32, first_row: u32, i: u32, sums: vec2<f32>) {
  let at = inner_place(row, i);
  if (i >= params.inner) {
    inner[at] = 0.0;
    return;
  }
#if FUSED
  let gate = biased(first_row + gate_row(i), sums.x);
  inner[at] = activate(gate, biased(first_row + linear_row(i), sums.y)) * X_SCALE[i % 4u];
#else
  let sum = biased(first_row + i, sums.x);
#if STAGE == 0
  inner[at] = sum;
#elif STAGE == 1
  inner[at] = activate(sum, 0.0) * X_SCALE[i % 4u];
#else
  inner[at] = activate(sum, inner[at]) * X_SCALE[i % 4u];
#endif
#endif
}

// The weight row of column c of a team whose first output is i.
fn team_row(i: u32, c: u32) -> u32 {
#if FUSED
  let output = min(i + c / 2u, params.inner - 1u);
  return select(gate_row(output), linear_row(output), c % 2u == 1u);
#else
  return min(i + c, params.inner - 1u);
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_size: u32,
#endif
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let tile = flat % params.tiles;
  let slot = flat / params.tiles % params.top;
  let token = flat / params.tiles / params.top;
  if (token >= params.tokens) {
    return;
  }
  load_keys(token, lane);
  x_start = token * params.k;
  let units = (params.k + UNIT_VALUES - 1u) / UNIT_VALUES;
#if STAGED
  let squares = stage_row(lane, units);
#if NORM && SUBGROUPS
  stage_squares(lane, squares, subgroup_lane, subgroup_size);
#elif NORM
  stage_squares(lane, squares);
#endif
#endif
  select_experts(lane);
#if STAGE != 0
  if (tile == 0u && slot == 0u) {
    store_head(token, lane);
  }
#endif
  let first_row = chosen[slot] * params.rows;
  let first = tile * OUTPUTS;
  for (var c = 0u; c < COLS; c++) {
    weight_rows[c] = first_row + team_row(first + PAIRS * (lane / LANES), c);
  }
  var unit = lane % LANES;
  var ahead = load_units(min(unit, units - 1u));
  for (; unit < units; unit += LANES) {
    let current = ahead;
    ahead = load_units(min(unit + LANES, units - 1u));
    add_units(current, weight_rows, unit, 1.0);
  }
#if NORM
  let norm = inverseSqrt(staged_squares() / f32(params.k) + params.epsilon);
#else
  let norm = 1.0;
#endif
#if SUBGROUPS
  sum_lanes(lane, subgroup_lane, subgroup_size);
#else
  sum_lanes(lane);
#endif
  if (lane < OUTPUTS && first + lane < 4u * params.inner_units * INNER_QUADS) {
    let row = token * params.top + slot;
    let sums = norm * total(0u, lane / PAIRS);
    let part_of_team = lane % PAIRS;
#if FUSED
    store(row, first_row, first + lane, vec2<f32>(sums[2u * part_of_team], sums[2u * part_of_team + 1u]));
#else
    store(row, first_row, first + lane, vec2<f32>(sums[part_of_team], 0.0));
#endif
  }
}
