// fetch_a, put_a, fetch_b and put_b (tile.wgsl) for packed dot products: rows of activations that quantise_rows.wgsl left
// and weight rows less their zero points, both as 8-bit integers. BITS 2 or 4, or 8 without zero points; BLOCK is a
// multiple of 32. The includer defines row_of(row), the row of x of a tile row, and weight_row(column), both in range.
#include "kernels/matmul/nbits.wgsl"

@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read> x_scales: array<f32>;

const A_LOADS: u32 = (TM * QUADS + WG - 1u) / WG;
const B_LOADS: u32 = (TN * QUADS + WG - 1u) / WG;
const A_SCALES: u32 = (TM * BLOCKS + WG - 1u) / WG;
const B_SCALES: u32 = (TN * BLOCKS + WG - 1u) / WG;
const QUAD_WORDS: u32 = BITS / 2u;  // of weights in 16 values
var<private> a_quads: array<vec4<u32>, A_LOADS>;
var<private> b_words: array<vec4<u32>, B_LOADS>;
var<private> b_zeros: array<u32, B_LOADS>;
var<private> a_next_scales: array<f32, A_SCALES>;
var<private> b_next_scales: array<f32, B_SCALES>;

fn fetch_a(lane: u32, k: u32) {
  for (var load = 0u; load < A_LOADS; load++) {
    let i = min(lane + load * WG, TM * QUADS - 1u);
    let at = k + 16u * (i % QUADS);
#if RAGGED
    if (at >= params.k) {
      continue;  // its scale is 0
    }
#endif
    a_quads[load] = x[(row_of(i / QUADS) * params.k + at) / 16u];
  }
  for (var load = 0u; load < A_SCALES; load++) {
    let i = min(lane + load * WG, TM * BLOCKS - 1u);
    let at = k + 32u * (i % BLOCKS);
    a_next_scales[load] = 0.0;
#if RAGGED
    if (at >= params.k) {
      continue;
    }
#endif
    a_next_scales[load] = x_scales[(row_of(i / BLOCKS) * params.k + at) / 32u];
  }
}

fn weight_word(row: u32, index: u32) -> u32 {
#if UNIT == 1
  return weights[row * params.row_pitch + index];
#else
  return weights[row * params.row_pitch + index / UNIT][index % UNIT];
#endif
}

fn fetch_b(lane: u32, k: u32) {
  for (var load = 0u; load < B_LOADS; load++) {
    let i = min(lane + load * WG, TN * QUADS - 1u);
    let at = k + 16u * (i % QUADS);
    let row = weight_row(i / QUADS);
#if RAGGED
    if (at >= params.k) {
      continue;
    }
#endif
    for (var word = 0u; word < QUAD_WORDS; word++) {
      b_words[load][word] = weight_word(row, at / VALUES + word);
    }
    b_zeros[load] = u32(zero_point_of(row, block_of(at)));
  }
  for (var load = 0u; load < B_SCALES; load++) {
    let i = min(lane + load * WG, TN * BLOCKS - 1u);
    let at = k + 32u * (i % BLOCKS);
    b_next_scales[load] = 0.0;
#if RAGGED
    if (at >= params.k) {
      continue;
    }
#endif
    b_next_scales[load] = scale_of(weight_row(i / BLOCKS), block_of(at));
  }
}

// Bytes of q less those of zero, which are small enough for no borrow to leave its byte.
fn subtract_bytes(q: vec4<u32>, zero: u32) -> vec4<u32> {
  return ((q | vec4<u32>(0x80808080u)) - vec4<u32>(zero * 0x01010101u)) ^ vec4<u32>(0x80808080u);
}

fn widened(words: vec4<u32>, zero: u32) -> vec4<u32> {
#if BITS == 8
  return words ^ vec4<u32>(0x80808080u);
#elif BITS == 4
  return subtract_bytes(vec4<u32>(words.x, words.x >> 4u, words.y, words.y >> 4u) & vec4<u32>(0x0f0f0f0fu), zero);
#else
  let shifts = vec4<u32>(0u, 2u, 4u, 6u);
  return subtract_bytes((vec4<u32>(words.x) >> shifts) & vec4<u32>(0x03030303u), zero);
#endif
}

fn put_a(lane: u32) {
  for (var load = 0u; load < A_LOADS; load++) {
    let i = lane + load * WG;
    if (TM * QUADS % WG == 0u || i < TM * QUADS) {
      stage_a(i / QUADS, i % QUADS, a_quads[load]);
    }
  }
  for (var load = 0u; load < A_SCALES; load++) {
    let i = lane + load * WG;
    if (TM * BLOCKS % WG == 0u || i < TM * BLOCKS) {
      stage_a_scale(i / BLOCKS, i % BLOCKS, a_next_scales[load]);
    }
  }
}

fn put_b(lane: u32) {
  for (var load = 0u; load < B_LOADS; load++) {
    let i = lane + load * WG;
    if (TN * QUADS % WG == 0u || i < TN * QUADS) {
      stage_b(i / QUADS, i % QUADS, widened(b_words[load], b_zeros[load]));
    }
  }
  for (var load = 0u; load < B_SCALES; load++) {
    let i = lane + load * WG;
    if (TN * BLOCKS % WG == 0u || i < TN * BLOCKS) {
      stage_b_scale(i / BLOCKS, i % BLOCKS, b_next_scales[load]);
    }
  }
}
