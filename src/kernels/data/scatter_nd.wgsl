// y[slice named by tuple n, c] = updates[n, c]; one thread moves one T.
#include "kernels/common/flat_id.wgsl"
#include "kernels/data/nd_index.wgsl"

@group(0) @binding(1) var<storage, read> updates: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
  let start = slice_start(i / params.inner);
  if (start != NOWHERE) { y[start + i % params.inner] = updates[i]; }
}
