// Sorts the (token, slot) entries by expert, in one workgroup: count, prefix sums, scatter. plan[0] = number of row
// tiles; from plan[1] on, three numbers a tile: expert, first and end position in the sorted list; the list itself
// begins at params.head. The order within an expert is free: every row of a later product is computed by itself.
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(0) var<storage, read> route: array<f32>;
@group(0) @binding(1) var<storage, read_write> plan: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> counts: array<atomic<u32>, EXPERTS>;
var<workgroup> cursors: array<atomic<u32>, EXPERTS>;

fn expert_of(entry: u32) -> u32 {
  return u32(route[params.tokens * params.top + entry]);
}

fn place_expert(e: u32) {
  var start = 0u;
  var tile = 0u;
  for (var before = 0u; before < e; before++) {
    let n = atomicLoad(&counts[before]);
    start += n;
    tile += (n + TM - 1u) / TM;
  }
  let end = start + atomicLoad(&counts[e]);
  atomicStore(&cursors[e], start);
  for (var first = start; first < end; first += TM) {
    plan[1u + 3u * tile] = e;
    plan[2u + 3u * tile] = first;
    plan[3u + 3u * tile] = min(first + TM, end);
    tile++;
  }
  if (e == params.experts - 1u) {
    plan[0] = tile;
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  let entries = params.tokens * params.top;
  for (var e = lane; e < params.experts; e += WG) {
    atomicStore(&counts[e], 0u);
  }
  workgroupBarrier();
  for (var entry = lane; entry < entries; entry += WG) {
    atomicAdd(&counts[expert_of(entry)], 1u);
  }
  workgroupBarrier();
  for (var e = lane; e < params.experts; e += WG) {
    place_expert(e);
  }
  workgroupBarrier();
  for (var entry = lane; entry < entries; entry += WG) {
    plan[params.head + atomicAdd(&cursors[expert_of(entry)], 1u)] = entry;
  }
}
