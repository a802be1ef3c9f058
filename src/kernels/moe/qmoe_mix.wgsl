// y[t, h] = sum_j weight[t, j] * product[position of (t, j), h] (+ residual[t, h]), in the order of j. An invocation
// makes PER neighbouring elements: P, R and Y are vectors of as many.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(0) var<storage, read> route: array<f32>;
@group(0) @binding(1) var<storage, read> plan: array<u32>;
@group(0) @binding(2) var<storage, read> product: array<P>;
@group(0) @binding(3) var<storage, read> residual: array<R>;
@group(0) @binding(4) var<storage, read_write> y: array<Y>;
@group(0) @binding(5) var<uniform> params: Params;
#if PER == 4
alias Sum = vec4<f32>;
#else
alias Sum = f32;
#endif

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let at = flat_workgroup(id, count) * WG + lane;
  let width = params.hidden / PER;
  if (at >= params.tokens * width) {
    return;
  }
  let positions = params.head + params.tokens * params.top;
  let first = at / width * params.top;
  var sum = Sum();
  for (var entry = first; entry < first + params.top; entry++) {
    sum += route[entry] * Sum(product[plan[positions + entry] * width + at % width]);
  }
  let to = params.first_token * width + at;
#if HAS_RESIDUAL
  sum += Sum(residual[to]);
#endif
  y[to] = Y(sum);
}
