// Sorts a block of up to SIZE elements of a column in workgroup memory (bitonic) and keeps the first k: with LAST, where
// a column is one block, as the result, else as a run of keys and one of their indices, each of params.out_n elements a
// column. One workgroup a block.
#include "kernels/topk/topk_common.wgsl"

#if !LAST
@group(0) @binding(AT_RUN_KEYS) var<storage, read_write> run_keys: array<u32>;
@group(0) @binding(AT_RUN_ORIGINS) var<storage, read_write> run_origins: array<u32>;
#endif
var<workgroup> keys: array<u32, SIZE>;
var<workgroup> origins: array<u32, SIZE>;

// PER exchanges of an invocation at a time, in a vector: their loads wait for memory together.
#if PER == 4
alias Lanes = vec4<u32>;
fn lanes_of(lane: u32) -> Lanes { return Lanes(lane) + Lanes(0u, WG, 2u * WG, 3u * WG); }
fn keys_at(i: Lanes) -> Lanes { return Lanes(keys[i.x], keys[i.y], keys[i.z], keys[i.w]); }
fn origins_at(i: Lanes) -> Lanes { return Lanes(origins[i.x], origins[i.y], origins[i.z], origins[i.w]); }
fn store(i: Lanes, key: Lanes, origin: Lanes) {
  keys[i.x] = key.x;
  keys[i.y] = key.y;
  keys[i.z] = key.z;
  keys[i.w] = key.w;
  origins[i.x] = origin.x;
  origins[i.y] = origin.y;
  origins[i.z] = origin.z;
  origins[i.w] = origin.w;
}
#elif PER == 2
alias Lanes = vec2<u32>;
fn lanes_of(lane: u32) -> Lanes { return Lanes(lane, lane + WG); }
fn keys_at(i: Lanes) -> Lanes { return Lanes(keys[i.x], keys[i.y]); }
fn origins_at(i: Lanes) -> Lanes { return Lanes(origins[i.x], origins[i.y]); }
fn store(i: Lanes, key: Lanes, origin: Lanes) {
  keys[i.x] = key.x;
  keys[i.y] = key.y;
  origins[i.x] = origin.x;
  origins[i.y] = origin.y;
}
#else
alias Lanes = u32;
fn lanes_of(lane: u32) -> Lanes { return lane; }
fn keys_at(i: Lanes) -> Lanes { return keys[i]; }
fn origins_at(i: Lanes) -> Lanes { return origins[i]; }
fn store(i: Lanes, key: Lanes, origin: Lanes) {
  keys[i] = key;
  origins[i] = origin;
}
#endif

fn exchange(lane: u32, width: u32, distance: u32) {
  let at = lanes_of(lane);
  let low = at & Lanes(distance - 1u);
  let i = (at - low) * 2u + low;
  let other = i + Lanes(distance);
  let key_a = keys_at(i);
  let key_b = keys_at(other);
  let origin_a = origins_at(i);
  let origin_b = origins_at(other);
  let reversed = (key_b < key_a) | ((key_b == key_a) & (origin_b < origin_a));
  let swaps = reversed == ((i & Lanes(width)) == Lanes(0u));
  store(i, select(key_a, key_b, swaps), select(origin_a, origin_b, swaps));
  store(other, select(key_b, key_a, swaps), select(origin_b, origin_a, swaps));
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
