// Second step of a radix pass: each digit's counts of blocks become their sums over the blocks before, and its total is
// noted. One workgroup a digit of a column.
@group(0) @binding(0) var<storage, read_write> counts: array<u32>;  // (column, digit, block)
@group(0) @binding(1) var<storage, read_write> totals: array<u32>;  // (column, digit)
@group(0) @binding(2) var<uniform> params: Params;

#include "kernels/common/flat_id.wgsl"
#include "kernels/topk/topk_scan.wgsl"

struct Params {
  columns: u32,
  blocks: u32,
  pad0: u32,
  pad1: u32,
}
var<workgroup> carried: u32;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let digit = flat_workgroup(id, count);
  if (digit >= params.columns * 256u) {
    return;
  }
  var before = 0u;
  for (var first = 0u; first < params.blocks; first += WG) {
    var mine = 0u;
    if (first + lane < params.blocks) { mine = counts[digit * params.blocks + first + lane]; }
    let sum = exclusive_scan(lane, mine);
    if (first + lane < params.blocks) { counts[digit * params.blocks + first + lane] = before + sum; }
    if (lane == WG - 1u) { carried = sum + mine; }
    before += workgroupUniformLoad(&carried);
  }
  if (lane == 0u) { totals[digit] = before; }
}
