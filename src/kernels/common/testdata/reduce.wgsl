// sums[w], maxima[w]: sum and maximum of workgroup w's WG elements of x, written by its last invocation, to test
// reduce.wgsl.
#include "kernels/common/flat_id.wgsl"
#include "kernels/common/reduce.wgsl"
struct Params {
  count: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> maxima: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let group = flat_workgroup(id, n);
  let i = group * WG + lane;
  let here = i < params.count;
  let largest = workgroup_max(lane, select(-3.0e38, x[min(i, params.count - 1u)], here));
  let sum = workgroup_sum(lane, select(0.0, x[min(i, params.count - 1u)], here));
  if (lane == WG - 1u && group * WG < params.count) {
    sums[group] = sum;
    maxima[group] = largest;
  }
}
