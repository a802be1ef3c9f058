// y[c] = x[c - begins] where that lies in x, else value; one thread an element.
#include "kernels/common/flat_id.wgsl"
#include "kernels/data/fill_value.wgsl"

struct Params {
  count: u32,
  value: u32,
  pad0: u32,
  pad1: u32,
  y_dims: array<vec4<u32>, 2>,
  x_dims: array<vec4<u32>, 2>,
  begins: array<vec4<u32>, 2>,   // modulo 2^32: a coordinate before the beginning becomes a huge one
}

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
  var source = 0u;
  var step = 1u;
  var inside = true;
  var rest = i;
  for (var d = RANK; d > 0u; d--) {
    let at = (d - 1u) / 4u;
    let part = (d - 1u) % 4u;
    let coordinate = rest % params.y_dims[at][part] - params.begins[at][part];
    rest /= params.y_dims[at][part];
    inside = inside && coordinate < params.x_dims[at][part];
    source += coordinate * step;
    step *= params.x_dims[at][part];
  }
  var value = fill_value(params.value);
  if (inside) { value = x[source]; }
  y[i] = value;
}
