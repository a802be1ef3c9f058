// y[i] = bits, one thread a word.
#include "kernels/common/flat_id.wgsl"

struct Params {
  words: u32,
  bits: u32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i < params.words) { y[i] = params.bits; }
}
