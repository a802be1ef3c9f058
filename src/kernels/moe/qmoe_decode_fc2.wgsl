// y[t, h] = sum_j weight[t, j] * (fc2 row h of expert[t, j] . inner[t, j] + bias) (+ residual[t, h]). A team of LANES
// invocations owns two outputs h and strides over the rows of all k experts as if they were one. x is what
// qmoe_decode_fc1.wgsl wrote.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
#if X_ACCESS == 0
@group(0) @binding(0) var<storage, read> x: array<X>;
#else
@group(0) @binding(0) var<storage, read> x: array<vec4<X>>;
#endif
@group(0) @binding(5) var<storage, read> residual: array<R>;
@group(0) @binding(6) var<storage, read_write> y: array<Y>;
@group(0) @binding(7) var<uniform> params: Params;

const ROWS: u32 = 1u;
const TEAMS: u32 = WG / LANES;
var<private> x_start: u32;

#include "kernels/moe/row_access.wgsl"
#include "kernels/matmul/nbits_dot.wgsl"
#include "kernels/matmul/lane_sum.wgsl"

fn head(i: u32) -> f32 {
#if X_ACCESS == 0
  return x[i];
#else
  return x[i / 4u][i % 4u];
#endif
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
  let first = flat % params.tiles * 2u * TEAMS;
  let n0 = min(first + 2u * (lane / LANES), params.rows - 1u);
  let n1 = min(n0 + 1u, params.rows - 1u);
  let units = (params.k + UNIT_VALUES - 1u) / UNIT_VALUES;
  for (var at = lane % LANES; at < units * params.top; at += LANES) {
    let j = at / units;
    let first_row = expert_of(token, j) * params.rows;
    x_start = params.head + (token * params.top + j) * params.k;
    add_unit(first_row + n0, first_row + n1, at % units, head(token * params.top + j));
  }
#if SUBGROUPS
  sum_lanes(lane, subgroup_lane, subgroup_size);
#else
  sum_lanes(lane);
#endif
  if (lane < 2u * TEAMS && first + lane < params.rows) {
    let sums = total(0u, lane / 2u);
    store(token, first + lane, select(sums.x, sums.y, lane % 2u == 1u));
  }
}
