// weights[t, e] = the mixing weight of expert first + e of token t, 0 if it is not among the token's; one thread an element.
#include "kernels/common/flat_id.wgsl"

struct Params {
  tokens: u32,
  top: u32,
  first: u32,
  count: u32,
}

@group(0) @binding(0) var<storage, read> route: array<f32>;
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.tokens * params.count) { return; }
  let token = i / params.count;
  let expert = f32(params.first + i % params.count);
  var weight = 0.0;
  for (var j = token * params.top; j < (token + 1u) * params.top; j++) {
    if (route[params.tokens * params.top + j] == expert) { weight = route[j]; }
  }
  weights[i] = weight;
}
