// The rank of an element is the number of elements before it; ranks below k are the result. WG / WIDTH columns a
// workgroup, one invocation an element. Keys are compared four at a time: behind a column's end lie keys that come
// last.
#include "kernels/topk/topk_common.wgsl"

var<workgroup> keys: array<u32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let i = lane % WIDTH;
  let start = lane - i;
  let column = flat_workgroup(id, count) * (WG / WIDTH) + lane / WIDTH;
  let inside = column < params.columns && i < params.n;
  var key = 0xffffffffu;
  if (inside) {
    key = x_key(column, i);
  }
  keys[lane] = key;
  workgroupBarrier();
  if (!inside) {
    return;
  }
  // Equals before this element come before it: those are the keys below key + 1.
  var rank = 0u;
  for (var other = 0u; other < i; other++) { rank += select(0u, 1u, keys[start + other] <= key); }
  for (var other = i + 1u; other < params.n; other++) { rank += select(0u, 1u, keys[start + other] < key); }
  if (rank < params.k) { store_result(column, rank, i); }
}
