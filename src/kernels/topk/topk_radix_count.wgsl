// First step of a radix pass: how often each of the 256 digits occurs in a block of a column; one workgroup a block.
#include "kernels/topk/topk_common.wgsl"

@group(0) @binding(AT_COUNTS) var<storage, read_write> counts: array<u32>;  // (column, digit, block)
var<workgroup> tally: array<atomic<u32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let column = flat / params.blocks;
  if (column >= params.columns) {
    return;
  }
  let block = flat % params.blocks;
  atomicStore(&tally[lane], 0u);
  workgroupBarrier();
  let first = block * params.size;
  let end = min(first + params.size, params.n);
  for (var i = first + lane; i < end; i += 256u) {
    atomicAdd(&tally[(key_at(column, i) >> params.shift) & 255u], 1u);
  }
  workgroupBarrier();
  counts[(column * 256u + lane) * params.blocks + block] = atomicLoad(&tally[lane]);
}
