// sums[w] = sum of the words that workgroup w reads: whole blocks of WG * VECTORS vectors, in turn with the other workgroups.
// A thread's loads of a block do not wait for one another.
struct Params {
  blocks: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(AT_X) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(AT_SUMS) var<storage, read_write> sums: array<u32>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

var<workgroup> total: atomic<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  if (thread == 0u) { atomicStore(&total, 0u); }  // workgroup memory need not begin with zeros
  workgroupBarrier();
  var sum = vec4<u32>();
  for (var block = group.x; block < params.blocks; block += groups.x) {
    let first = block * (WG * VECTORS) + thread;
    var loaded = array<vec4<u32>, VECTORS>();
    for (var i = 0u; i < VECTORS; i++) { loaded[i] = x[first + i * WG]; }
    for (var i = 0u; i < VECTORS; i++) { sum += loaded[i]; }
  }
  atomicAdd(&total, sum.x + sum.y + sum.z + sum.w);
  workgroupBarrier();
  if (thread == 0u) { sums[group.x] = atomicLoad(&total); }
}
