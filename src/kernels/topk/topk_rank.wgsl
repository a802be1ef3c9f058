// The rank of an element is the number of elements before it; ranks below k are the result. WG / WIDTH columns a
// workgroup, one invocation an element. Keys are compared four at a time; behind a column's end lie keys that come last.
#include "kernels/topk/topk_common.wgsl"

const QUADS: u32 = WIDTH / 4u;
const ALL_QUADS: u32 = WG / 4u;
var<workgroup> keys: array<vec4<u32>, ALL_QUADS>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let i = lane % WIDTH;
  let first = (lane - i) / 4u;
  let column = flat_workgroup(id, count) * (WG / WIDTH) + lane / WIDTH;
  let inside = column < params.columns && i < params.n;
  var key = 0xffffffffu;
  if (inside) {
    key = x_key(column, i);
  }
  keys[lane / 4u][lane % 4u] = key;
  workgroupBarrier();
  if (!inside) {
    return;
  }
  var before = vec4<u32>();
  for (var quad = 0u; quad < QUADS; quad++) {
    let others = keys[first + quad];
    let places = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
    let earlier = (others == vec4<u32>(key)) & (places < vec4<u32>(i));
    before += select(vec4<u32>(0u), vec4<u32>(1u), (others < vec4<u32>(key)) | earlier);
  }
  let rank = before.x + before.y + before.z + before.w;
  if (rank < params.k) { store_result(column, rank, i); }
}
