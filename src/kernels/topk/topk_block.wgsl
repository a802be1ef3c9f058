// Sorts a block of up to SIZE elements of a column in workgroup memory (bitonic) and keeps the first k: with LAST, where
// a column is one block, as the result, else as a run of keys and one of their indices, each of params.out_n elements a
// column. One workgroup a block.
#include "kernels/topk/topk_common.wgsl"

#if !LAST
@group(0) @binding(AT_RUN_KEYS) var<storage, read_write> run_keys: array<u32>;
@group(0) @binding(AT_RUN_ORIGINS) var<storage, read_write> run_origins: array<u32>;
#endif
const PER: u32 = SIZE / 2u / WG;  // exchanges of an invocation in each step
var<workgroup> keys: array<u32, SIZE>;
var<workgroup> origins: array<u32, SIZE>;

// All loads of a step come before its stores, so that they wait for memory once.
fn exchange(lane: u32, width: u32, distance: u32) {
  var key_a = array<u32, PER>();
  var key_b = array<u32, PER>();
  var origin_a = array<u32, PER>();
  var origin_b = array<u32, PER>();
  for (var j = 0u; j < PER; j++) {
    let at = lane + j * WG;
    let i = (at & ~(distance - 1u)) * 2u + (at & (distance - 1u));
    key_a[j] = keys[i];
    key_b[j] = keys[i + distance];
    origin_a[j] = origins[i];
    origin_b[j] = origins[i + distance];
  }
  for (var j = 0u; j < PER; j++) {
    let at = lane + j * WG;
    let i = (at & ~(distance - 1u)) * 2u + (at & (distance - 1u));
    let reversed = (key_b[j] < key_a[j]) | ((key_b[j] == key_a[j]) & (origin_b[j] < origin_a[j]));
    if (reversed == ((i & width) == 0u)) {
      keys[i] = key_b[j];
      keys[i + distance] = key_a[j];
      origins[i] = origin_b[j];
      origins[i + distance] = origin_a[j];
    }
  }
}

fn sort_block(lane: u32) {
  for (var width = 2u; width <= SIZE; width *= 2u) {
    for (var distance = width / 2u; distance > 0u; distance /= 2u) {
      exchange(lane, width, distance);
      workgroupBarrier();
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let column = flat / params.blocks;
  if (column >= params.columns) {
    return;
  }
  let block = flat % params.blocks;
  let length = min(SIZE, params.n - block * SIZE);
  for (var i = lane; i < SIZE; i += WG) {
    keys[i] = 0xffffffffu;
    origins[i] = 0xffffffffu;
    if (i < length) {
      keys[i] = key_at(column, block * SIZE + i);
      origins[i] = origin_at(column, block * SIZE + i);
    }
  }
  workgroupBarrier();
  sort_block(lane);
  for (var i = lane; i < min(params.k, length); i += WG) {
#if LAST
    store_result(column, i, origins[i]);
#else
    let to = column * params.out_n + block * min(params.k, SIZE) + i;
    run_keys[to] = keys[i];
    run_origins[to] = origins[i];
#endif
  }
}
