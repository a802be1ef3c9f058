// history[id] |= 1 << 31 for every id of the prompt; one thread an id.
#include "kernels/common/flat_id.wgsl"

struct Params {
  count: u32,
  vocabulary: u32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(AT_IDS) var<storage, read> ids: array<i32>;
@group(0) @binding(AT_HISTORY) var<storage, read_write> history: array<atomic<u32>>;
#if HAS_STATE
@group(0) @binding(AT_STATE) var<storage, read> state: array<u32>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
#if HAS_STATE
  if (state[2] == 0u) { return; }
#endif
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
  let id = u32(ids[i]);
  if (id < params.vocabulary) { atomicOr(&history[id], 0x80000000u); }
}
