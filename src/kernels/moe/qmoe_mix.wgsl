// y[t, h] = sum_j weight[t, j] * product[t, j, h] (+ residual[t, h]), in the order of j; one invocation an element.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(0) var<storage, read> route: array<f32>;
@group(0) @binding(1) var<storage, read> product: array<f32>;
@group(0) @binding(2) var<storage, read> residual: array<R>;
@group(0) @binding(3) var<storage, read_write> y: array<Y>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let at = flat_workgroup(id, count) * WG + lane;
  if (at >= params.tokens * params.hidden) {
    return;
  }
  let token = at / params.hidden;
  var sum = 0.0;
  for (var j = 0u; j < params.top; j++) {
    let entry = token * params.top + j;
    sum += route[entry] * product[entry * params.hidden + at % params.hidden];
  }
  let to = params.first_token * params.hidden + at;
#if HAS_RESIDUAL
  sum += f32(residual[to]);
#endif
  y[to] = Y(sum);
}
