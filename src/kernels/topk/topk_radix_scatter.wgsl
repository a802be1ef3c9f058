// Third step of a radix pass: moves each pair of a block to its digit's position, in order (stable). With LAST the
// first k positions become the result. One workgroup a block, 256 pairs at a time.
@group(0) @binding(1) var<storage, read> source: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;  // (column, block, digit)
#if LAST
@group(0) @binding(3) var<storage, read_write> values: array<T>;
@group(0) @binding(4) var<storage, read_write> indices: array<i32>;
@group(0) @binding(5) var<uniform> params: Params;
#else
@group(0) @binding(3) var<storage, read_write> moved: array<vec2<u32>>;
@group(0) @binding(4) var<uniform> params: Params;
#endif

#include "kernels/topk/topk_common.wgsl"

const NO_DIGIT: u32 = 256u;
var<workgroup> digits: array<u32, 256>;
var<workgroup> cursors: array<u32, 256>;

fn store(column: u32, position: u32, pair: vec2<u32>) {
#if LAST
  if (position < params.k) {
    let to = element_at(column, params.k, position);
    values[to] = x[element_at(column, params.axis, pair.y)];
    indices[to] = i32(pair.y);
  }
#else
  moved[column * params.n + position] = pair;
#endif
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let column = flat / params.blocks;
  if (column >= params.columns) {
    return;
  }
  cursors[lane] = positions[flat * 256u + lane];
  let first = flat % params.blocks * BLOCK;
  for (var start = 0u; start < BLOCK; start += 256u) {
    let i = first + start + lane;
    var pair = vec2<u32>();
    var digit = NO_DIGIT;
    if (i < params.n) {
      pair = pair_at(column, i);
      digit = (pair.x >> params.shift) & 255u;
    }
    digits[lane] = digit;
    workgroupBarrier();
    var before = 0u;
    var same = 0u;
    for (var other = 0u; other < 256u; other++) {
      let equal = select(0u, 1u, digits[other] == digit);
      same += equal;
      before += select(0u, equal, other < lane);
    }
    if (digit != NO_DIGIT) {
      store(column, cursors[digit] + before, pair);
    }
    workgroupBarrier();
    if (digit != NO_DIGIT && before + 1u == same) {
      cursors[digit] += same;
    }
  }
}
