// y[m, n] = sum_k a[m, k] * (q[n, k] - zero[n, k / BLOCK]) * scale[n, k / BLOCK] (+ bias[n]) (+ residual[m, n]), up to
// ROWS rows m. A team of LANES invocations owns two columns n and strides over K, so that each weight is read once for
// all rows.
struct Params {
  m: u32,
  rows: u32,  // n
  k: u32,
  row_pitch: u32,
  blocks: u32,
  zero_pitch: u32,
  pad0: u32,
  pad1: u32,
}
#if X_ACCESS == 0
@group(0) @binding(0) var<storage, read> a: array<X>;
#else
@group(0) @binding(0) var<storage, read> a: array<vec4<X>>;
#endif
@group(0) @binding(5) var<storage, read> residual: array<R>;
@group(0) @binding(6) var<storage, read_write> y: array<Y>;
@group(0) @binding(7) var<uniform> params: Params;

#include "kernels/common/flat_id.wgsl"
#include "kernels/matmul/nbits_dot.wgsl"
#include "kernels/matmul/lane_sum.wgsl"

const TEAMS: u32 = WG / LANES;

fn x4(m: u32, k: u32) -> vec4<f32> {
  let row = min(m, params.m - 1u) * params.k;
#if X_ACCESS == 2
  return vec4<f32>(a[(row + k) / 4u]);
#elif X_ACCESS == 1
  if (k < params.k) {
    return vec4<f32>(a[(row + k) / 4u]);
  }
  return vec4<f32>();
#else
  var v = vec4<f32>();
  for (var i = 0u; i < 4u; i++) {
    if (k + i < params.k) {
      v[i] = f32(a[row + k + i]);
    }
  }
  return v;
#endif
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
  let first = flat_workgroup(id, count) * 2u * TEAMS;
  let n0 = min(first + 2u * (lane / LANES), params.rows - 1u);
  let n1 = min(n0 + 1u, params.rows - 1u);
  let units = (params.k + UNIT_VALUES - 1u) / UNIT_VALUES;
  for (var unit = lane % LANES; unit < units; unit += LANES) {
    add_unit(n0, n1, unit, 1.0);
  }
#if SUBGROUPS
  sum_lanes(lane, subgroup_lane, subgroup_size);
#else
  sum_lanes(lane);
#endif
  for (var i = lane; i < 2u * TEAMS * ROWS; i += WG) {
    let m = i / (2u * TEAMS);
    let column = i % (2u * TEAMS);
    if (m < params.m && first + column < params.rows) {
      let sum = total(m, column / 2u);
      store(m, first + column, select(sum.x, sum.y, column % 2u == 1u));
    }
  }
}
