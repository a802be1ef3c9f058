// fetch_b and put_b (tile.wgsl) for weight rows, dequantised on the way into workgroup memory. The includer defines
// weight_row(column), the row of a tile column, in range for every column of the tile.
#include "kernels/matmul/nbits.wgsl"

#if BITS == 0
const VALUES: u32 = 4u;  // of a load
alias Fetched = Staged;
#else
alias Fetched = u32;
#endif
const ROW_LOADS: u32 = STEP / VALUES;  // of a row in a step
const B_LOADS: u32 = (TN * ROW_LOADS + WG - 1u) / WG;
var<private> b_rows: array<u32, B_LOADS>;
var<private> b_values: array<Fetched, B_LOADS>;
#if BITS != 0
var<private> b_zeros: array<f32, B_LOADS>;
var<private> b_scales: array<f32, B_LOADS>;
#endif

fn find_columns(lane: u32) {
  for (var load = 0u; load < B_LOADS; load++) {
    b_rows[load] = weight_row(min((lane + load * WG) / ROW_LOADS, TN - 1u));
  }
}

#if BITS == 0
fn fetch_values(load: u32, row: u32, k: u32) {
  var v = Staged();
#if UNIT == 4
#if RAGGED
  if (k >= params.k) {
    b_values[load] = v;
    return;
  }
#endif
  v = Staged(weights[row * params.row_pitch + k / 4u]);
#else
  for (var j = 0u; j < 4u; j++) {
    if (k + j < params.k) {
      v[j] = StagedElement(weights[row * params.row_pitch + k + j]);
    }
  }
#endif
  b_values[load] = v;
}

fn put_values(load: u32, column: u32, first_quad: u32) {
  stage_b(column, first_quad, b_values[load]);
}
#else
fn weight_word(row: u32, k: u32) -> u32 {
#if ALIGNED == 0
  return unaligned_word(row, k / VALUES);
#elif UNIT == 1
  return weights[row * params.row_pitch + k / VALUES];
#else
  return weights[row * params.row_pitch + k / UNIT_VALUES][k / VALUES % UNIT];
#endif
}

// Beyond the end of a row scales are 0, so that nothing but zeros is staged.
fn fetch_values(load: u32, row: u32, k: u32) {
#if RAGGED
  if (k >= params.k) {
    b_scales[load] = 0.0;
    return;
  }
#endif
  b_values[load] = weight_word(row, k);
  b_zeros[load] = zero_point_of(row, block_of(k));
  b_scales[load] = scale_of(row, block_of(k));
}

#if CORE == 1 && BITS == 4 && ZP != 2
// As nbits.wgsl does it in f32: or-ed into the mantissa of 1024, two values at a time become floats without conversion.
fn half_pair(word: u32, zero: f16, scale: f16) -> vec2<f16> {
  return (bitcast<vec2<f16>>((word & 0x000f000fu) | 0x64006400u) - (1024.0h + zero)) * scale;
}

fn put_values(load: u32, column: u32, first_quad: u32) {
  let word = b_values[load];
  let zero = f16(b_zeros[load]);
  let scale = f16(b_scales[load]);
  let v04 = half_pair(word, zero, scale);
  let v15 = half_pair(word >> 4u, zero, scale);
  let v26 = half_pair(word >> 8u, zero, scale);
  let v37 = half_pair(word >> 12u, zero, scale);
  stage_b(column, first_quad, Staged(v04.x, v15.x, v26.x, v37.x));
  stage_b(column, first_quad + 1u, Staged(v04.y, v15.y, v26.y, v37.y));
}
#else
fn put_values(load: u32, column: u32, first_quad: u32) {
  let scale = b_scales[load] * X_SCALE;
  for (var quad = 0u; quad < VALUES / 4u; quad++) {
    stage_b(column, first_quad + quad, Staged(scaled_quad(b_values[load], quad, b_zeros[load]) * scale));
  }
}
#endif
#endif

fn fetch_b(lane: u32, k: u32) {
  for (var load = 0u; load < B_LOADS; load++) {
    fetch_values(load, b_rows[load], k + VALUES * ((lane + load * WG) % ROW_LOADS));
  }
}

fn put_b(lane: u32) {
  for (var load = 0u; load < B_LOADS; load++) {
    let i = lane + load * WG;
    if (TN * ROW_LOADS % WG == 0u || i < TN * ROW_LOADS) {
      put_values(load, i / ROW_LOADS, i % ROW_LOADS * (VALUES / 4u));
    }
  }
}
