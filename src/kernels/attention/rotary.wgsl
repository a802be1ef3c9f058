// (x, y) -> (x cos - y sin, y cos + x sin) for the pairs of the rotary dimension, the rest copied; one thread a pair.
#include "kernels/common/flat_id.wgsl"

struct Params {
  pairs: u32,        // batch * seq * heads * D / 2
  seq: u32,
  heads: u32,
  head_size: u32,
  half: u32,         // rotary dimension / 2
  positions: u32,    // rows of the tables
  seq_stride: u32,   // elements of x
  head_stride: u32,
}

@group(0) @binding(AT_X) var<storage, read> x: array<T>;
@group(0) @binding(AT_COS) var<storage, read> cos_table: array<CS>;
@group(0) @binding(AT_SIN) var<storage, read> sin_table: array<CS>;
#if HAS_POS
@group(0) @binding(AT_POS) var<storage, read> position_ids: array<i32>;
#endif
@group(0) @binding(AT_Y) var<storage, read_write> y: array<T>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

fn table_row(token: u32) -> u32 {
#if HAS_POS
#if OFFSET
  let position = position_ids[0] + i32(token % params.seq);
#else
  let position = position_ids[token];
#endif
  return u32(clamp(position, 0, i32(params.positions) - 1));
#else
  return token;
#endif
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * 256u + thread;
  if (index >= params.pairs) { return; }
  let per_head = params.head_size / 2u;
  let pair = index % per_head;
  let head = index / per_head % params.heads;
  let token = index / per_head / params.heads;
  let base = token / params.seq * params.seq * params.heads * params.head_size +
             token % params.seq * params.seq_stride + head * params.head_stride;
  var first = base + 2u * pair;
  var second = first + 1u;
#if !INTERLEAVED
  if (pair < params.half) {
    first = base + pair;
    second = first + params.half;
  }
#endif
  let a = f32(x[first]);
  let b = f32(x[second]);
  if (pair < params.half) {
    let at = table_row(token) * params.half + pair;
    let c = f32(cos_table[at]);
    let s = f32(sin_table[at]);
    y[first] = T(a * c - b * s);
    y[second] = T(b * c + a * s);
  } else {
    y[first] = T(a);
    y[second] = T(b);
  }
}
