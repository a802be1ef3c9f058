// y[o, j, c] = data[o, indices[j] - first, c], c over units of the inner dimensions; one thread moves one T. Of a table
// of `axis` slices, data holds those from `first` on.
#include "kernels/common/flat_id.wgsl"
#include "kernels/data/fill_value.wgsl"

struct Params {
  count: u32,
  inner: u32,
  indices: u32,
  axis: u32,
  missing: u32,
  first: u32,
  slices: u32,
  pad: u32,
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
  let slice = i / params.inner;
  let index = indices[slice % params.indices];
  // Modulo 2^32: what is negative still after wrapping lies beyond the axis.
  let row = u32(index) + select(0u, params.axis, index < 0);
  let mine = row - params.first;
  if (mine < params.slices) {
    y[i] = data[(slice / params.indices * params.slices + mine) * params.inner + i % params.inner];
  } else if (row >= params.axis && params.first == 0u) {
    y[i] = fill_value(params.missing);
  }
}
