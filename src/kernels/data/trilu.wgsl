// y[.., r, c] = x[.., r, c] where c - r >= k (UPPER) or c - r <= k, else 0; one thread an element.
#include "kernels/common/flat_id.wgsl"

struct Params {
  count: u32,
  rows: u32,
  columns: u32,
  k: i32,
}

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
  let distance = i32(i % params.columns) - i32((i / params.columns) % params.rows);
#if UPPER
  let keep = distance >= params.k;
#else
  let keep = distance <= params.k;
#endif
  var value = T(0);
  if (keep) { value = x[i]; }
  y[i] = value;
}
