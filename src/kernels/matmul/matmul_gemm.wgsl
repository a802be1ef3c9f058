// y = alpha * op(a) * op(b) + beta * c. A workgroup makes a tile (tile.wgsl) of one batch.
#include "kernels/matmul/matmul_common.wgsl"
#include "kernels/matmul/tile.wgsl"

const A_QUADS: u32 = TM * QUADS;
const B_QUADS: u32 = TN * QUADS;
const A_LOADS: u32 = (A_QUADS + WG - 1u) / WG;
const B_LOADS: u32 = (B_QUADS + WG - 1u) / WG;
var<private> first_row: u32;
var<private> first_column: u32;
var<private> a_quads: array<vec4<f32>, A_LOADS>;
var<private> b_quads: array<vec4<f32>, B_LOADS>;

fn start_tile(lane: u32, tile: u32) -> bool {
  let row_tiles = (params.m + TM - 1u) / TM;
  let tiles = row_tiles * ((params.n + TN - 1u) / TN);
  if (tile >= tiles * params.batches) {
    return false;
  }
  set_batch(tile / tiles);
  first_row = tile % tiles % row_tiles * TM;
  first_column = tile % tiles / row_tiles * TN;
  used_rows = params.m - first_row;
  return true;
}

// Line and quad of load i of `lines`. Neighbouring invocations read neighbouring elements: along K, or along the lines
// of a matrix that lies the other way.
fn along_k(i: u32) -> vec2<u32> {
  return vec2<u32>(i / QUADS, i % QUADS);
}

fn along_lines(i: u32, lines: u32) -> vec2<u32> {
  return vec2<u32>(i % lines, i / lines);
}

fn a_place(i: u32) -> vec2<u32> {
#if TRANS_A
  return along_lines(i, TM);
#else
  return along_k(i);
#endif
}

fn b_place(i: u32) -> vec2<u32> {
#if TRANS_B
  return along_k(i);
#else
  return along_lines(i, TN);
#endif
}

// Lines beyond the last are read like the last; their sums are not stored.
fn fetch_a(lane: u32, k: u32) {
  for (var load = 0u; load < A_LOADS; load++) {
    let place = a_place(min(lane + load * WG, A_QUADS - 1u));
    let start = a_start + min(first_row + place.x, params.m - 1u) * params.a_row;
    var v = vec4<f32>();
    for (var j = 0u; j < 4u; j++) {
      let at = k + 4u * place.y + j;
      if (at < params.k) {
        v[j] = f32(a[start + at * params.a_k]);
      }
    }
    a_quads[load] = v;
  }
}

fn fetch_b(lane: u32, k: u32) {
  for (var load = 0u; load < B_LOADS; load++) {
    let place = b_place(min(lane + load * WG, B_QUADS - 1u));
    let start = b_start + min(first_column + place.x, params.n - 1u) * params.b_column;
    var v = vec4<f32>();
    for (var j = 0u; j < 4u; j++) {
      let at = k + 4u * place.y + j;
      if (at < params.k) {
        v[j] = f32(b[start + at * params.b_k]);
      }
    }
    b_quads[load] = v;
  }
}

fn put_a(lane: u32) {
  for (var load = 0u; load < A_LOADS; load++) {
    let place = a_place(lane + load * WG);
    if (A_QUADS % WG == 0u || lane + load * WG < A_QUADS) {
      stage_a(place.x, place.y, a_quads[load]);
    }
  }
}

fn put_b(lane: u32) {
  for (var load = 0u; load < B_LOADS; load++) {
    let place = b_place(lane + load * WG);
    if (B_QUADS % WG == 0u || lane + load * WG < B_QUADS) {
      stage_b(place.x, place.y, b_quads[load]);
    }
  }
}

fn store_pair(row: u32, column: u32, v: vec2<f32>) {
  store(first_row + row, first_column + column, v.x);
  store(first_row + row, first_column + column + 1u, v.y);
}
