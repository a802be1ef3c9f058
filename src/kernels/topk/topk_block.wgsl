// Sorts a block of up to SIZE elements of a column in workgroup memory (bitonic) and keeps the first k: with LAST, where
// a column is one block, as the result, else as a run of keys and one of their indices, each of params.out_n elements a
// column. One workgroup a block.
#include "kernels/topk/topk_common.wgsl"

#if !LAST
@group(0) @binding(AT_RUN_KEYS) var<storage, read_write> run_keys: array<u32>;
@group(0) @binding(AT_RUN_ORIGINS) var<storage, read_write> run_origins: array<u32>;
#endif
var<workgroup> pairs: array<vec2<u32>, SIZE>;

fn comes_before(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.x < b.x || (a.x == b.x && a.y < b.y);
}

fn sort_pairs(lane: u32) {
  for (var width = 2u; width <= SIZE; width *= 2u) {
    for (var distance = width / 2u; distance > 0u; distance /= 2u) {
      for (var at = lane; at < SIZE / 2u; at += WG) {
        let i = (at & ~(distance - 1u)) * 2u + (at & (distance - 1u));
        let a = pairs[i];
        let b = pairs[i + distance];
        if (comes_before(b, a) == ((i & width) == 0u)) {
          pairs[i] = b;
          pairs[i + distance] = a;
        }
      }
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
    pairs[i] = vec2<u32>(0xffffffffu);
    if (i < length) {
      pairs[i] = vec2<u32>(key_at(column, block * SIZE + i), origin_at(column, block * SIZE + i));
    }
  }
  workgroupBarrier();
  sort_pairs(lane);
  for (var i = lane; i < min(params.k, length); i += WG) {
#if LAST
    store_result(column, i, pairs[i].y);
#else
    let to = column * params.out_n + block * min(params.k, SIZE) + i;
    run_keys[to] = pairs[i].x;
    run_origins[to] = pairs[i].y;
#endif
  }
}
