// y[m, n] = sum_k x[m, k] * (q[n, k] - zero[n, k / BLOCK]) * scale[n, k / BLOCK] (+ bias[n]) (+ residual[m, n]), up to
// ROWS rows m, of which there are at least two (matmul_nbits_row.wgsl is for one). A team of LANES invocations owns COLS
// columns n and strides over K, so that each weight is read once for all rows.
struct Params {
  m: u32,
  rows: u32,  // n
  k: u32,
  row_pitch: u32,
  blocks: u32,
  zero_pitch: u32,
}
#if X_ACCESS == 0
@group(0) @binding(0) var<storage, read> x: array<X>;
#else
@group(0) @binding(0) var<storage, read> x: array<vec4<X>>;
#endif
@group(0) @binding(5) var<storage, read> residual: array<R>;
@group(0) @binding(6) var<storage, read_write> y: array<Y>;
@group(0) @binding(7) var<uniform> params: Params;

#include "kernels/common/flat_id.wgsl"
#include "kernels/matmul/nbits_dot.wgsl"
#include "kernels/matmul/lane_sum.wgsl"
#include "kernels/matmul/row_access.wgsl"

var<private> x_start: u32;
const TEAMS: u32 = WG / LANES;

fn x4(m: u32, unit: u32, quad: u32) -> vec4<f32> {
  x_start = min(m, params.m - 1u) * params.k;
  return row_quad(unit * UNIT_VALUES + 4u * quad) * X_SCALE;
}

fn store(m: u32, n: u32, sum: f32) {
  var v = sum;
#if HAS_BIAS
  v += f32(bias[n]);
#endif
#if HAS_RESIDUAL
  v += f32(residual[m * params.rows + n]);
#endif
  y[m * params.rows + n] = Y(v);
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_size: u32,
#endif
        @builtin(num_workgroups) count: vec3<u32>) {
  let first = flat_workgroup(id, count) * COLS * TEAMS;
  for (var c = 0u; c < COLS; c++) {
    weight_rows[c] = min(first + COLS * (lane / LANES) + c, params.rows - 1u);
  }
  let units = (params.k + UNIT_VALUES - 1u) / UNIT_VALUES;
  var unit = lane % LANES;
  var ahead = load_units(min(unit, units - 1u));
  for (; unit < units; unit += LANES) {
    let current = ahead;
    ahead = load_units(min(unit + LANES, units - 1u));
    add_units(current, weight_rows, unit, 1.0);
  }
#if SUBGROUPS
  sum_lanes(lane, subgroup_lane, subgroup_size);
#else
  sum_lanes(lane);
#endif
  for (var i = lane; i < COLS * TEAMS * ROWS; i += WG) {
    let m = i / (COLS * TEAMS);
    let column = i % (COLS * TEAMS);
    if (m < params.m && first + column < params.rows) {
      store(m, first + column, total(m, column / COLS)[column % COLS]);
    }
  }
}
