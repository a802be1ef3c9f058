// First step of a radix pass: how often each of the 256 digits occurs in a block of a column; one workgroup a block.
@group(0) @binding(1) var<storage, read> source: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;  // (column, block, digit)
@group(0) @binding(3) var<uniform> params: Params;

#include "kernels/topk/topk_common.wgsl"

var<workgroup> tally: array<atomic<u32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let column = flat / params.blocks;
  if (column >= params.columns) {
    return;
  }
  atomicStore(&tally[lane], 0u);
  workgroupBarrier();
  let first = flat % params.blocks * BLOCK;
  let end = min(first + BLOCK, params.n);
  for (var i = first + lane; i < end; i += 256u) {
    atomicAdd(&tally[(pair_at(column, i).x >> params.shift) & 255u], 1u);
  }
  workgroupBarrier();
  counts[flat * 256u + lane] = atomicLoad(&tally[lane]);
}
