// Rows of weights, value = (q - zero) * scale, quantised in blocks along the row with low bits first, or plain floats
// (BITS 0). The includer defines: BITS 0, 2, 4, 8; BLOCK, 0 for one block a row; UNIT, words loaded at a time, all of
// one block (floats: 1 or 4); ALIGNED 0 if rows do not start at whole words (UNIT is then 1); ZP 0 none, 1 packed by
// row, 2 floats, 3 packed over the rows of an expert; W, S, Z, B types of float weights, scales, float zero points,
// bias. Its params hold row_pitch (units of a row; bytes if not ALIGNED), blocks (scales of a row), zero_pitch (bytes
// of a row's or an expert's zero points), rows.
#if BITS == 0
#if UNIT == 4
@group(0) @binding(1) var<storage, read> weights: array<vec4<W>>;
#else
@group(0) @binding(1) var<storage, read> weights: array<W>;
#endif
const UNIT_VALUES: u32 = 4u;
#else
#if UNIT == 4
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
#elif UNIT == 2
@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;
#else
@group(0) @binding(1) var<storage, read> weights: array<u32>;
#endif
const VALUES: u32 = 32u / BITS;  // of a word
const UNIT_VALUES: u32 = UNIT * VALUES;
#endif
@group(0) @binding(2) var<storage, read> scales: array<S>;
#if ZP == 2
@group(0) @binding(3) var<storage, read> zero_points: array<Z>;
#else
@group(0) @binding(3) var<storage, read> zero_points: array<u32>;
#endif
@group(0) @binding(4) var<storage, read> bias: array<B>;

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
  return f32(scales[row * params.blocks + block]);
#endif
}

#if BITS != 0
#if ZP == 1 || ZP == 3
fn packed_zero_point(byte_start: u32, index: u32) -> f32 {
  let byte = byte_start + index * BITS / 8u;
  let shift = 8u * (byte % 4u) + index * BITS % 8u;
  return f32((zero_points[byte / 4u] >> shift) & ((1u << BITS) - 1u));
}
#endif

fn zero_point_of(row: u32, block: u32) -> f32 {
#if ZP == 0
  return f32(1u << (BITS - 1u));
#elif ZP == 1
  return packed_zero_point(row * params.zero_pitch, block);
#elif ZP == 2
  return f32(zero_points[row * params.blocks + block]);
#else
  return packed_zero_point(row / params.rows * params.zero_pitch, row % params.rows);
#endif
}

// Values 4 * quad .. 4 * quad + 3 of a word.
fn unpack(word: u32, quad: u32) -> vec4<f32> {
  let shifts = vec4<u32>(0u, BITS, 2u * BITS, 3u * BITS) + 4u * BITS * quad;
  return vec4<f32>((vec4<u32>(word) >> shifts) & vec4<u32>((1u << BITS) - 1u));
}
#endif
