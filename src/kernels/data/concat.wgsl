// y[row, start + j] = x_k[row, j - begin_k] for the input k that column j falls in; one thread moves one T.
#include "kernels/common/flat_id.wgsl"

struct Params {
  count: u32,
  width: u32,
  row: u32,
  start: u32,
  ends: array<vec4<u32>, 2>,
  lengths: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> x0: array<T>;
@group(0) @binding(1) var<storage, read> x1: array<T>;
@group(0) @binding(2) var<storage, read> x2: array<T>;
@group(0) @binding(3) var<storage, read> x3: array<T>;
@group(0) @binding(4) var<storage, read> x4: array<T>;
@group(0) @binding(5) var<storage, read> x5: array<T>;
@group(0) @binding(6) var<storage, read> x6: array<T>;
@group(0) @binding(7) var<storage, read_write> y: array<T>;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
  let row = i / params.width;
  let column = i % params.width;
  var k = 0u;
  while (column >= params.ends[k / 4u][k % 4u]) { k++; }
  let length = params.lengths[k / 4u][k % 4u];
  let source = row * length + column + length - params.ends[k / 4u][k % 4u];
  var value: T;
  switch (k) {
    case 0u: { value = x0[source]; }
    case 1u: { value = x1[source]; }
    case 2u: { value = x2[source]; }
    case 3u: { value = x3[source]; }
    case 4u: { value = x4[source]; }
    case 5u: { value = x5[source]; }
    default: { value = x6[source]; }
  }
  y[row * params.row + params.start + column] = value;
}
