// values[i] = the element of x that indices[i] names, for bytes: one invocation an output word of four.
#include "kernels/common/flat_id.wgsl"

struct Params {
  axis: u32,
  stride: u32,
  k: u32,
  elements: u32,  // of the values
}
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read_write> values: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let to = flat_workgroup(id, count) * 256u + lane;
  if (to >= (params.elements + 3u) / 4u) {
    return;
  }
  var word = 0u;
  for (var b = 0u; b < 4u; b++) {
    let i = 4u * to + b;
    if (i < params.elements) {
      let outer = i / params.stride / params.k;
      let at = (outer * params.axis + u32(indices[i])) * params.stride + i % params.stride;
      word |= ((x[at / 4u] >> (8u * (at % 4u))) & 255u) << (8u * b);
    }
  }
  values[to] = word;
}
