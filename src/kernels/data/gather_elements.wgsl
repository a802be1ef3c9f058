// y[c] = data[c with its axis coordinate replaced by indices[c]]; one thread an element.
#include "kernels/common/flat_id.wgsl"
#include "kernels/data/fill_value.wgsl"

struct Params {
  count: u32,
  axis: u32,
  step: u32,
  missing: u32,
  dims: array<vec4<u32>, 2>,
  strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> data: array<T>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
  var source = 0u;
  var rest = i;
  for (var d = RANK; d > 0u; d--) {
    let at = (d - 1u) / 4u;
    let part = (d - 1u) % 4u;
    let size = params.dims[at][part];
    let coordinate = select(rest % size, rest, d == 1u);
    rest /= size;
    source += coordinate * params.strides[at][part];
  }
  let index = indices[i];
  let along = u32(index) + select(0u, params.axis, index < 0);
  var value = fill_value(params.missing);
  if (along < params.axis) { value = data[source + along * params.step]; }
  y[i] = value;
}
