// The rank of an element is the number of elements before it; ranks below k are the result. WG / WIDTH columns a
// workgroup, one invocation an element.
@group(0) @binding(1) var<storage, read_write> values: array<T>;
@group(0) @binding(2) var<storage, read_write> indices: array<i32>;
@group(0) @binding(3) var<uniform> params: Params;

#include "kernels/topk/topk_common.wgsl"

var<workgroup> keys: array<u32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let i = lane % WIDTH;
  let start = lane - i;
  let column = flat_workgroup(id, count) * (WG / WIDTH) + lane / WIDTH;
  let inside = column < params.columns && i < params.n;
  if (inside) {
    keys[lane] = key_of(x[element_at(column, params.n, i)]);
  }
  workgroupBarrier();
  if (!inside) {
    return;
  }
  let key = keys[lane];
  var rank = 0u;
  for (var other = 0u; other < params.n; other++) {
    let k = keys[start + other];
    rank += select(0u, 1u, k < key || (k == key && other < i));
  }
  if (rank < params.k) {
    let to = element_at(column, params.k, rank);
    values[to] = x[element_at(column, params.n, i)];
    indices[to] = i32(i);
  }
}
