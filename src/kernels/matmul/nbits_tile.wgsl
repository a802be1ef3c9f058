// Fills b_tile (tile.wgsl) with 64 dequantised weight rows, STEP values from k on. The includer defines
// weight_row(column), the row of a tile column, or NO_ROW.
#include "kernels/matmul/nbits.wgsl"

const NO_ROW: u32 = 0xffffffffu;

#if BITS == 0
fn load_weights(lane: u32, k: u32) {
  for (var i = lane; i < TN * QUADS; i += WG) {
    let column = i / QUADS;
    let at = k + 4u * (i % QUADS);
    let row = weight_row(column);
    var v = vec4<f32>();
    if (row != NO_ROW && at < params.k) {
#if UNIT == 4
      v = vec4<f32>(weights[row * params.row_pitch + at / 4u]);
#else
      for (var j = 0u; j < min(4u, params.k - at); j++) {
        v[j] = f32(weights[row * params.row_pitch + at + j]);
      }
#endif
    }
    b_tile[column * PITCH + i % QUADS] = v;
  }
}
#else
const WORDS: u32 = STEP / VALUES;  // of a row in a step

fn weight_word(row: u32, k: u32) -> u32 {
#if ALIGNED == 0
  let byte = row * params.row_pitch + k * BITS / 8u;
  let shift = 8u * (byte % 4u);
  let low = weights[byte / 4u] >> shift;
  return select(low | (weights[byte / 4u + 1u] << ((32u - shift) % 32u)), low, shift == 0u);
#elif UNIT == 1
  return weights[row * params.row_pitch + k / VALUES];
#else
  return weights[row * params.row_pitch + k / UNIT_VALUES][k / VALUES % UNIT];
#endif
}

fn load_weights(lane: u32, k: u32) {
  for (var i = lane; i < TN * WORDS; i += WG) {
    let column = i / WORDS;
    let at = k + VALUES * (i % WORDS);
    let row = weight_row(column);
    let inside = row != NO_ROW && at < params.k;
    var word = 0u;
    var zero = 0.0;
    var scale = 0.0;
    if (inside) {
      word = weight_word(row, at);
      zero = zero_point_of(row, block_of(at));
      scale = scale_of(row, block_of(at));
    }
    for (var quad = 0u; quad < VALUES / 4u; quad++) {
      b_tile[column * PITCH + (i % WORDS) * (VALUES / 4u) + quad] = scaled_quad(word, quad, zero) * (scale * X_SCALE);
    }
  }
}
#endif
