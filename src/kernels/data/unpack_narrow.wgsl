// y[i] = the i-th BITS-bit number of x, low bits first; one thread an element.
#include "kernels/common/flat_id.wgsl"

struct Params {
  count: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
  let per_word = 32u / BITS;
  let top = x[i / per_word] << (32u - BITS - i % per_word * BITS);
#if SIGNED
  y[i] = bitcast<i32>(top) >> (32u - BITS);
#else
  y[i] = bitcast<i32>(top >> (32u - BITS));
#endif
}
