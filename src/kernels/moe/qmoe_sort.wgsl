// Sorts the (token, slot) entries by expert, in one workgroup: count, prefix sums, scatter. plan[0] = number of row
// tiles; from plan[1] on, three numbers a tile: expert, first and end position in the sorted list; the list itself
// begins at params.head, and after it lies each entry's position. The order within an expert is free: every row of a
// later product is computed by itself.
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(0) var<storage, read> route: array<f32>;
@group(0) @binding(1) var<storage, read_write> plan: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> counts: array<atomic<u32>, EXPERTS>;
var<workgroup> cursors: array<atomic<u32>, EXPERTS>;

const AHEAD: u32 = 8u;  // loads that wait for memory together

// The experts of entries first, first + WG and so on; beyond the last entry, its expert.
fn experts_from(first: u32) -> array<u32, AHEAD> {
  let entries = params.tokens * params.top;
  var experts = array<u32, AHEAD>();
  for (var i = 0u; i < AHEAD; i++) {
    experts[i] = u32(route[entries + min(first + i * WG, entries - 1u)]);
  }
  return experts;
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
  for (var first = lane; first < entries; first += AHEAD * WG) {
    let experts = experts_from(first);
    for (var i = 0u; i < AHEAD; i++) {
      if (first + i * WG < entries) {
        atomicAdd(&counts[experts[i]], 1u);
      }
    }
  }
  workgroupBarrier();
  for (var e = lane; e < params.experts; e += WG) {
    place_expert(e);
  }
  workgroupBarrier();
  for (var first = lane; first < entries; first += AHEAD * WG) {
    let experts = experts_from(first);
    for (var i = 0u; i < AHEAD; i++) {
      if (first + i * WG < entries) {
        let position = atomicAdd(&cursors[experts[i]], 1u);
        plan[params.head + position] = first + i * WG;
        plan[params.head + entries + first + i * WG] = position;
      }
    }
  }
}
