// route = the mixing weights (t, j), then the experts (t, j) as floats; one workgroup a token.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(0) var<storage, read> router: array<Q>;
@group(0) @binding(1) var<storage, read_write> route: array<f32>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

#include "kernels/moe/select.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let token = flat_workgroup(id, count);
  if (token >= params.tokens) {
    return;
  }
  load_keys(params.first_token + token, lane);
  select_experts(lane);
  for (var j = lane; j < params.top; j += WG) {
    route[token * params.top + j] = mixing_weight(params.first_token + token, j);
    route[(params.tokens + token) * params.top + j] = f32(chosen[j]);
  }
}
