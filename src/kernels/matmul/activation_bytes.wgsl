// Activations as the signed bytes that packed dot products take: x = byte * scale, scale = max |x| / MOST of those that
// share one. The VALUES that meet a word of weights become PARTS words: part p holds those at p + PARTS * (0, 1, 2, 3),
// so that a weight word under a mask has them in the same bytes. The includer defines VALUES, 32 / BITS.
#include "kernels/matmul/magnitude.wgsl"
const PARTS: u32 = 8u / BITS;
const MOST: f32 = 127.0;
alias WordValues = array<vec4<f32>, VALUES / 4u>;

// Adding 1.5 * 2^23 rounds to an integer in the low bits.
fn part_of(values: WordValues, inverse: f32, p: u32) -> u32 {
  var bytes = 0u;
  for (var b = 0u; b < 4u; b++) {
    let i = b * PARTS + p;
    bytes |= (bitcast<u32>(values[i / 4u][i % 4u] * inverse + 12582912.0) & 0xffu) << (8u * b);
  }
  return bytes;
}
