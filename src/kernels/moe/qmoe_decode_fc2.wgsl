// y[t, h] = sum_j weight[t, j] * (fc2 row h of expert[t, j] . inner[t, j] + bias) (+ residual[t, h]). A team of LANES
// invocations owns COLS outputs h and strides over the rows of all k experts as if they were one. x is what
// qmoe_decode_fc1.wgsl wrote, times X_SCALE already.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> residual: array<R>;
@group(0) @binding(6) var<storage, read_write> y: array<Y>;
@group(0) @binding(7) var<uniform> params: Params;

const ROWS: u32 = 1u;
const TEAMS: u32 = WG / LANES;
var<private> x_start: u32;

#include "kernels/matmul/nbits_dot.wgsl"
#include "kernels/matmul/lane_sum.wgsl"

fn x4(m: u32, unit: u32, quad: u32) -> vec4<f32> {
  return x[x_start + quad * params.inner_units + unit];
}

fn head(i: u32) -> f32 {
  return x[i / 4u][i % 4u];
}

fn expert_of(token: u32, j: u32) -> u32 {
  return u32(head((params.tokens + token) * params.top + j));
}

fn store(token: u32, h: u32, sum: f32) {
  var v = sum;
#if HAS_BIAS
  for (var j = 0u; j < params.top; j++) {
    v += head(token * params.top + j) * f32(bias[expert_of(token, j) * params.rows + h]);
  }
#endif
#if HAS_RESIDUAL
  v += f32(residual[token * params.rows + h]);
#endif
  y[token * params.rows + h] = Y(v);
}

// The unit `at` of all experts' rows in turn, of each of the team's outputs.
fn load_at(token: u32, first: u32, lane: u32, at: u32, units: u32) -> Units {
  let first_row = expert_of(token, at / units) * params.rows;
  for (var c = 0u; c < COLS; c++) {
    weight_rows[c] = first_row + min(first + COLS * (lane / LANES) + c, params.rows - 1u);
  }
  return load_units(at % units);
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_size: u32,
#endif
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let token = flat / params.tiles;
  if (token >= params.tokens) {
    return;
  }
  let first = flat % params.tiles * COLS * TEAMS;
  let units = params.inner_units;
  let end = units * params.top;
  var at = lane % LANES;
  var ahead = load_at(token, first, lane, min(at, end - 1u), units);
  for (; at < end; at += LANES) {
    let current = ahead;
    let rows = weight_rows;
    ahead = load_at(token, first, lane, min(at + LANES, end - 1u), units);
    let j = at / units;
    x_start = params.head / 4u + (token * params.top + j) * units * UNIT_QUADS;
    add_units(current, rows, at % units, head(token * params.top + j));
  }
#if SUBGROUPS
  sum_lanes(lane, subgroup_lane, subgroup_size);
#else
  sum_lanes(lane);
#endif
  if (lane < COLS * TEAMS && first + lane < params.rows) {
    store(token, first + lane, total(0u, lane / COLS)[lane % COLS]);
  }
}
