// ROWS rows of activations in workgroup memory as signed bytes, with a scale for each unit of UNIT_VALUES: what
// accuracy_level 4 of MatMulNBits allows. dot4I8Packed multiplies them with weights that become bytes in two
// instructions (byte_weights). A word of weights meets PARTS words of activations, which lie by word of a unit first,
// so that invocations that read neighbouring units read neighbouring memory.
//
// To be included where row_quad(k) (and gamma_quad(k), with NORM) are, and params.m rows of x. UNITS is the number of
// units of the row. All invocations of a unit's words are in one subgroup, whatever its size: UNIT is at most 4.
#include "kernels/matmul/activation_bytes.wgsl"
#if BITS == 8
alias Parts = u32;
#elif BITS == 4
alias Parts = vec2<u32>;
#else
alias Parts = vec4<u32>;
#endif
const ROW_WORDS: u32 = UNITS * UNIT;
const STAGE_ROUNDS: u32 = (ROW_WORDS + WG - 1u) / WG;
var<workgroup> int8_row: array<Parts, ROWS * ROW_WORDS>;
var<workgroup> int8_scales: array<f32, ROWS * UNITS>;

// The largest of what the invocations of a unit hold. As bits, so that a NaN is above every number.
fn unit_most(own: u32) -> u32 {
  var most = own;
#if UNIT != 1
  most = max(most, subgroupShuffleXor(most, 1u));
#endif
#if UNIT == 4
  most = max(most, subgroupShuffleXor(most, 2u));
#endif
  return most;
}

fn parts_of(values: WordValues, inverse: f32) -> Parts {
#if BITS == 8
  return part_of(values, inverse, 0u);
#elif BITS == 4
  return vec2<u32>(part_of(values, inverse, 0u), part_of(values, inverse, 1u));
#else
  return vec4<u32>(part_of(values, inverse, 0u), part_of(values, inverse, 1u), part_of(values, inverse, 2u),
                   part_of(values, inverse, 3u));
#endif
}

// What a sum of products of bytes is to be multiplied by: NaN if the unit holds a NaN or an infinity.
fn scale_of_bytes(most: u32) -> f32 {
  return select(bitcast<f32>(most) * (1.0 / (MOST * f32(1u << (8u - BITS)))), bitcast<f32>(most | 0x7fc00000u),
                most >= 0x7f800000u);
}

// Returns the sum of squares of what this invocation read, where NORM asks for it.
fn stage_words(lane: u32, m: u32) -> f32 {
  var squares = 0.0;
  for (var round = 0u; round < STAGE_ROUNDS; round++) {
    let word = round * WG + lane;
    let at = min(word, ROW_WORDS - 1u);
    var values = WordValues();
    var own = 0u;
    for (var q = 0u; q < VALUES / 4u; q++) {
      values[q] = row_quad(at * VALUES + 4u * q);
#if NORM
      squares += select(0.0, dot(values[q], values[q]), word < ROW_WORDS);
      values[q] *= gamma_quad(at * VALUES + 4u * q);
#endif
      own = max(own, magnitude_bits(values[q]));
    }
    let most = unit_most(own);
    let inverse = select(0.0, MOST / bitcast<f32>(most), most < 0x7f800000u && bitcast<f32>(most) > 1e-30);
    if (word < ROW_WORDS) {
      int8_row[m * ROW_WORDS + word % UNIT * UNITS + word / UNIT] = parts_of(values, inverse);
      if (word % UNIT == 0u) {
        int8_scales[m * UNITS + word / UNIT] = scale_of_bytes(most);
      }
    }
  }
  return squares;
}

// Stages all rows; a barrier must follow. Returns the squares of the last.
fn stage_bytes(lane: u32) -> f32 {
  var squares = 0.0;
  for (var m = 0u; m < ROWS; m++) {
    x_start = min(m, params.m - 1u) * params.k;
    squares = stage_words(lane, m);
  }
  return squares;
}

// Part p of a word of weights as signed bytes: (q - 2^(BITS - 1)) * 2^(8 - BITS), each PARTS values after the last.
fn byte_weights(word: u32, p: u32) -> u32 {
#if BITS == 8
  return word ^ 0x80808080u;
#elif BITS == 4
  return ((word << (4u - 4u * p)) & 0xf0f0f0f0u) ^ 0x80808080u;
#else
  return ((word << (6u - 2u * p)) & 0xc0c0c0c0u) ^ 0x80808080u;
#endif
}

fn dot_bytes(word: u32, x: Parts) -> i32 {
#if BITS == 8
  return dot4I8Packed(byte_weights(word, 0u), x);
#elif BITS == 4
  return dot4I8Packed(byte_weights(word, 0u), x.x) + dot4I8Packed(byte_weights(word, 1u), x.y);
#else
  return dot4I8Packed(byte_weights(word, 0u), x.x) + dot4I8Packed(byte_weights(word, 1u), x.y) +
         dot4I8Packed(byte_weights(word, 2u), x.z) + dot4I8Packed(byte_weights(word, 3u), x.w);
#endif
}

#if UNIT == 4
alias UnitBytes = array<Parts, 4>;
#elif UNIT == 2
alias UnitBytes = array<Parts, 2>;
#else
alias UnitBytes = Parts;
#endif

fn row_bytes(m: u32, unit: u32) -> UnitBytes {
  let at = m * ROW_WORDS + unit;
#if UNIT == 4
  return UnitBytes(int8_row[at], int8_row[at + UNITS], int8_row[at + 2u * UNITS], int8_row[at + 3u * UNITS]);
#elif UNIT == 2
  return UnitBytes(int8_row[at], int8_row[at + UNITS]);
#else
  return int8_row[at];
#endif
}

fn dot_unit(words: Words, x: UnitBytes) -> i32 {
#if UNIT == 4
  return dot_bytes(words.x, x[0]) + dot_bytes(words.y, x[1]) + dot_bytes(words.z, x[2]) + dot_bytes(words.w, x[3]);
#elif UNIT == 2
  return dot_bytes(words.x, x[0]) + dot_bytes(words.y, x[1]);
#else
  return dot_bytes(words, x);
#endif
}
