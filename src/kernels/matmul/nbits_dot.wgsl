// Dot products of two weight rows with ROWS rows of activations, a unit at a time (see nbits.wgsl), summed into acc.
// The includer defines ROWS and x4(m, k): activations k..k+3 of row m as f32, zero beyond the end.
#include "kernels/matmul/nbits.wgsl"

var<private> acc: array<vec2<f32>, ROWS>;
var<private> part: array<vec2<f32>, ROWS>;

fn add_quad(v0: vec4<f32>, v1: vec4<f32>, k: u32) {
  for (var m = 0u; m < ROWS; m++) {
    let x = x4(m, k);
    part[m] += vec2<f32>(dot(v0, x), dot(v1, x));
  }
}

#if BITS == 0
fn float_quad(row: u32, k: u32) -> vec4<f32> {
#if UNIT == 4
  return vec4<f32>(weights[row * params.row_pitch + k / 4u]);
#else
  var v = vec4<f32>();
  for (var i = 0u; i < min(4u, params.k - k); i++) {
    v[i] = f32(weights[row * params.row_pitch + k + i]);
  }
  return v;
#endif
}
#else
fn add_word(w0: u32, w1: u32, zero: vec2<f32>, k: u32) {
  for (var quad = 0u; quad < VALUES / 4u; quad++) {
    add_quad(unpack(w0, quad) - zero.x, unpack(w1, quad) - zero.y, k + 4u * quad);
  }
}

#if ALIGNED == 0
fn word_at(byte: u32) -> u32 {
  let shift = 8u * (byte % 4u);
  let low = weights[byte / 4u] >> shift;
  return select(low | (weights[byte / 4u + 1u] << ((32u - shift) % 32u)), low, shift == 0u);
}
#endif
#endif

// acc[m] += weight * (row0 . x[m], row1 . x[m]) over one unit.
fn add_unit(row0: u32, row1: u32, unit: u32, weight: f32) {
  let k = unit * UNIT_VALUES;
  let block = block_of(k);
  part = array<vec2<f32>, ROWS>();
#if BITS == 0
  add_quad(float_quad(row0, k), float_quad(row1, k), k);
#else
  let zero = vec2<f32>(zero_point_of(row0, block), zero_point_of(row1, block));
#if ALIGNED == 0
  add_word(word_at(row0 * params.row_pitch + 4u * unit), word_at(row1 * params.row_pitch + 4u * unit), zero, k);
#else
  let w0 = weights[row0 * params.row_pitch + unit];
  let w1 = weights[row1 * params.row_pitch + unit];
#if UNIT == 1
  add_word(w0, w1, zero, k);
#else
  add_word(w0.x, w1.x, zero, k);
  add_word(w0.y, w1.y, zero, k + VALUES);
#if UNIT == 4
  add_word(w0.z, w1.z, zero, k + 2u * VALUES);
  add_word(w0.w, w1.w, zero, k + 3u * VALUES);
#endif
#endif
#endif
#endif
  let scale = weight * vec2<f32>(scale_of(row0, block), scale_of(row1, block));
  for (var m = 0u; m < ROWS; m++) {
    acc[m] += scale * part[m];
  }
}
