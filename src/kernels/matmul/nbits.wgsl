// Rows of weights, value = (q - zero) * scale, quantised in blocks along the row with low bits first, or plain floats
// (BITS 0). The includer defines: BITS 0, 2, 4, 8; BLOCK, 0 for one block a row; UNIT, words loaded at a time, all of
// one block (floats: 1 or 4); ALIGNED 0 if rows do not start at whole words (UNIT is then 1); ZP 0 none, 1 packed by
// row, 2 floats, 3 packed over the rows of an expert; W, S, Z, B types of float weights, scales, float zero points,
// bias; SETS 0, or how many matrices are bound as in nbits_sets.wgsl. Its params hold row_pitch (units of a row; bytes
// if not ALIGNED), blocks (scales of a row), zero_pitch (bytes of a row's or an expert's zero points), rows.
#if BITS == 0
const UNIT_VALUES: u32 = 4u;
#else
const VALUES: u32 = 32u / BITS;  // of a word
const UNIT_VALUES: u32 = UNIT * VALUES;
#endif
#if SETS == 0
#include "kernels/matmul/nbits_bindings.wgsl"
#else
#include "kernels/matmul/nbits_sets.wgsl"
#endif

#if ALIGNED == 0
// Word i of a row, of the two that hold its bytes. Where the row ends in the first of them, nothing else is read.
fn unaligned_word(row: u32, i: u32) -> u32 {
  let start = row * params.row_pitch;
  let byte = start + 4u * i;
  let last = min(byte + 3u, start + params.row_pitch - 1u);
  let shift = 8u * (byte % 4u);
  let low = weights[byte / 4u] >> shift;
  return select(low | (weights[last / 4u] << ((32u - shift) % 32u)), low, shift == 0u);
}
#endif

fn block_of(k: u32) -> u32 {
#if BLOCK == 0
  return 0u;
#else
  return k / BLOCK;
#endif
}

fn scale_of(row: u32, block: u32) -> f32 {
#if BITS == 0
  return 1.0;
#else
  return scale_at(row * params.blocks + block);
#endif
}

#if BITS != 0
#if ZP == 1 || ZP == 3
fn packed_zero_point(byte_start: u32, index: u32) -> f32 {
  let byte = byte_start + index * BITS / 8u;
  let shift = 8u * (byte % 4u) + index * BITS % 8u;
  return f32((zero_at(byte / 4u) >> shift) & ((1u << BITS) - 1u));
}
#endif

fn zero_point_of(row: u32, block: u32) -> f32 {
#if ZP == 0
  return f32(1u << (BITS - 1u));
#elif ZP == 1
  return packed_zero_point(row * params.zero_pitch, block);
#elif ZP == 2
  return f32(zero_at(row * params.blocks + block));
#else
  return packed_zero_point(row / params.rows * params.zero_pitch, row % params.rows);
#endif
}

// Bits become floats without a conversion, which is slow on many GPUs: a value that is or-ed into the low mantissa bits
// of 2^23 is that number plus the value. The four values of a quad are taken where they lie, so each is multiplied by
// its own power of two; activations that are multiplied by X_SCALE cancel that. All of it is exact.
const MAGIC: f32 = 8388608.0;  // 2^23
#if BITS == 8
const POWERS = vec4<f32>(1.0, 256.0, 1.0, 256.0);
const X_SCALE = vec4<f32>(1.0, 1.0 / 256.0, 1.0, 1.0 / 256.0);
#elif BITS == 4
const POWERS = vec4<f32>(1.0, 16.0, 256.0, 4096.0);
const X_SCALE = vec4<f32>(1.0, 1.0 / 16.0, 1.0 / 256.0, 1.0 / 4096.0);
#else
const POWERS = vec4<f32>(1.0, 4.0, 16.0, 64.0);
const X_SCALE = vec4<f32>(1.0, 1.0 / 4.0, 1.0 / 16.0, 1.0 / 64.0);
#endif

// MAGIC + values 4 * quad .. 4 * quad + 3 of a word times POWERS.
fn magic_quad(word: u32, quad: u32) -> vec4<f32> {
#if BITS == 8
  let bits = vec4<u32>(word, word, word >> 16u, word >> 16u) & vec4<u32>(0xffu, 0xff00u, 0xffu, 0xff00u);
#elif BITS == 4
  let bits = vec4<u32>(word >> (16u * quad)) & vec4<u32>(0xfu, 0xf0u, 0xf00u, 0xf000u);
#else
  let bits = vec4<u32>(word >> (8u * quad)) & vec4<u32>(0x3u, 0xcu, 0x30u, 0xc0u);
#endif
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x4b000000u));
}

// Values 4 * quad .. 4 * quad + 3 of a word, less the zero point, times POWERS.
fn scaled_quad(word: u32, quad: u32, zero: f32) -> vec4<f32> {
#if ZP == 2
  return (magic_quad(word, quad) - MAGIC) - zero * POWERS;  // a fraction would be lost beside MAGIC
#else
  return magic_quad(word, quad) - (MAGIC + zero * POWERS);
#endif
}
#else
const X_SCALE = vec4<f32>(1.0);
#endif
const UNIT_QUADS: u32 = UNIT_VALUES / 4u;
