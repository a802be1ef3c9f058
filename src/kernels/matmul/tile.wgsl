// A tile of TM rows by TN columns of a matrix product: the steps along K that all kernels of many rows share. What a
// step needs is fetched into registers while the step before is multiplied, then staged in workgroup memory. CORE
// chooses who multiplies: 0 multiply-adds, 1 subgroup matrices, 2 packed dot products of 8-bit integers.
//
// The includer defines params.k and
//   start_tile(lane, tile) -> bool   what the workgroup's tile is; false: none
//   fetch_a(lane, k), fetch_b(lane, k)   reads the values from k on into registers
//   put_a(lane), put_b(lane)   gives them, quad by quad along K, to stage_a(row, quad, v) and stage_b(column, quad, v)
//   store_pair(row, column, v)   takes the sums of two neighbouring columns, the first of them even
//   used_rows   set by start_tile: rows of the tile that are stored; the others need not be multiplied
#include "kernels/common/flat_id.wgsl"
var<private> used_rows: u32;
#if CORE == 0
#include "kernels/matmul/fma_tile.wgsl"
#elif CORE == 1
#include "kernels/matmul/matrix_tile.wgsl"
#else
#include "kernels/matmul/dot_tile.wgsl"
#endif

@compute @workgroup_size(WG)
#if CORE == 1
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) sublane: u32) {
#else
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
#endif
  if (!start_tile(lane, flat_workgroup(id, count))) {
    return;
  }
  var sums = Sums();
  fetch_a(lane, 0u);
  fetch_b(lane, 0u);
  for (var k = 0u; k < params.k; k += STEP) {
    put_a(lane);
    put_b(lane);
    workgroupBarrier();
    if (k + STEP < params.k) {
      fetch_a(lane, k + STEP);
      fetch_b(lane, k + STEP);
    }
#if CORE == 1
    multiply_tiles(subgroup, &sums);
#else
    multiply_tiles(lane, &sums);
#endif
    workgroupBarrier();
  }
#if CORE == 1
  store_sums(subgroup, sublane, &sums);
#else
  store_sums(lane, &sums);
#endif
}
