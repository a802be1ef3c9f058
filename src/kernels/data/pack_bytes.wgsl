// Byte i of y = the low byte of x[i]; one thread writes four.
#include "kernels/common/flat_id.wgsl"

struct Params {
  count: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = 4u * (flat_workgroup(group, groups) * WG + lane);
  if (i >= params.count) { return; }
  var word = 0u;
  for (var k = 0u; k < 4u; k++) {
    if (i + k < params.count) { word |= (x[i + k] & 0xffu) << (8u * k); }
  }
  y[i / 4u] = word;
}
