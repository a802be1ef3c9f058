// y[i] = start + i * delta, computed as A; one thread an element.
#include "kernels/common/flat_id.wgsl"

struct Params {
  count: u32,
  start: u32,
  delta: u32,
  pad: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<T>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i < params.count) { y[i] = T(bitcast<A>(params.start) + A(i) * bitcast<A>(params.delta)); }
}
