// Second step of a radix pass: counts (column, block, digit) become positions, by digit first and by block within a
// digit. One workgroup a column, one invocation a digit.
@group(0) @binding(0) var<storage, read_write> counts: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

#include "kernels/common/flat_id.wgsl"

struct Params {
  columns: u32,
  blocks: u32,
  pad0: u32,
  pad1: u32,
}
var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let column = flat_workgroup(id, count);
  if (column >= params.columns) {
    return;
  }
  let start = column * params.blocks * 256u + lane;
  var total = 0u;
  for (var block = 0u; block < params.blocks; block++) {
    total += counts[start + block * 256u];
  }
  sums[lane] = total;
  workgroupBarrier();
  for (var distance = 1u; distance < 256u; distance *= 2u) {
    var before = 0u;
    if (lane >= distance) {
      before = sums[lane - distance];
    }
    workgroupBarrier();
    sums[lane] += before;
    workgroupBarrier();
  }
  var position = sums[lane] - total;
  for (var block = 0u; block < params.blocks; block++) {
    let n = counts[start + block * 256u];
    counts[start + block * 256u] = position;
    position += n;
  }
}
