// Sorts blocks of SIZE pairs of a column in workgroup memory (bitonic) and keeps the first k of each: as pairs for the
// next round, or with LAST, where a column is one block, as values and indices. One workgroup a block.
@group(0) @binding(1) var<storage, read> source: array<vec2<u32>>;
#if LAST
@group(0) @binding(2) var<storage, read_write> values: array<T>;
@group(0) @binding(3) var<storage, read_write> indices: array<i32>;
@group(0) @binding(4) var<uniform> params: Params;
#else
@group(0) @binding(2) var<storage, read_write> kept: array<vec2<u32>>;
@group(0) @binding(3) var<uniform> params: Params;
#endif

#include "kernels/topk/topk_common.wgsl"

var<workgroup> pairs: array<vec2<u32>, SIZE>;

fn comes_before(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.x < b.x || (a.x == b.x && a.y < b.y);
}

fn compare_exchange(i: u32, j: u32, ascending: bool) {
  let a = pairs[i];
  let b = pairs[j];
  if (comes_before(b, a) == ascending) {
    pairs[i] = b;
    pairs[j] = a;
  }
}

fn sort_pairs(lane: u32) {
  for (var width = 2u; width <= SIZE; width *= 2u) {
    for (var distance = width / 2u; distance > 0u; distance /= 2u) {
      for (var at = lane; at < SIZE / 2u; at += WG) {
        let i = at / distance * distance * 2u + at % distance;
        compare_exchange(i, i + distance, (i & width) == 0u);
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
  let first = flat % params.blocks * SIZE;
  let length = min(SIZE, params.n - first);
  for (var i = lane; i < SIZE; i += WG) {
    pairs[i] = vec2<u32>(0xffffffffu);
    if (i < length) {
      pairs[i] = pair_at(column, first + i);
    }
  }
  workgroupBarrier();
  sort_pairs(lane);
  for (var i = lane; i < min(params.k, length); i += WG) {
#if LAST
    let origin = pairs[i].y;
    let to = element_at(column, params.k, i);
    values[to] = x[element_at(column, params.axis, origin)];
    indices[to] = i32(origin);
#else
    kept[column * params.out_n + flat % params.blocks * params.k + i] = pairs[i];
#endif
  }
}
