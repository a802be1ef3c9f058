// y[y_offset + sum c_d y_strides_d] = x[x_offset + sum c_d x_strides_d]; one thread moves one T.
#include "kernels/common/flat_id.wgsl"

struct Params {
  count: u32,
  x_offset: u32,
  y_offset: u32,
  pad: u32,
  dims: array<vec4<u32>, 2>,
  x_strides: array<vec4<u32>, 2>,
  y_strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
  var source = params.x_offset;
  var to = params.y_offset;
  var rest = i;
  for (var d = RANK; d > 0u; d--) {
    let at = (d - 1u) / 4u;
    let part = (d - 1u) % 4u;
    let size = params.dims[at][part];
    let coordinate = select(rest % size, rest, d == 1u);
    rest /= size;
    source += coordinate * params.x_strides[at][part];
    to += coordinate * params.y_strides[at][part];
  }
  y[to] = x[source];
}
