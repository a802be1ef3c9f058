// Dot products of COLS weight rows with ROWS rows of activations, a unit at a time (see nbits.wgsl), summed into acc.
// The includer defines ROWS, COLS (2 or 4) and x4(m, unit, quad): the four activations of row m beside that quad of the
// unit, times X_SCALE, zero beyond the end.
#include "kernels/matmul/nbits.wgsl"

#if COLS == 4
alias Sums = vec4<f32>;
#else
alias Sums = vec2<f32>;
#endif
alias Quads = array<vec4<f32>, COLS>;
#if BITS == 0
alias Unit = vec4<f32>;
alias Units = Quads;
#elif UNIT == 4
alias Unit = vec4<u32>;
#elif UNIT == 2
alias Unit = vec2<u32>;
#else
alias Unit = u32;
#endif
#if BITS != 0
alias Units = array<Unit, COLS>;
#endif

var<private> acc: array<Sums, ROWS>;
var<private> part: array<Sums, ROWS>;
alias WeightRows = array<u32, COLS>;
var<private> weight_rows: WeightRows;

fn load_unit(row: u32, unit: u32) -> Unit {
#if BITS == 0
#if UNIT == 4
  return vec4<f32>(weights[row * params.row_pitch + unit]);
#else
  var v = vec4<f32>();
  for (var i = 0u; i < min(4u, params.k - 4u * unit); i++) {
    v[i] = f32(weights[row * params.row_pitch + 4u * unit + i]);
  }
  return v;
#endif
#elif ALIGNED == 0
  return unaligned_word(row, unit);
#else
  return weights[row * params.row_pitch + unit];
#endif
}

// The unit of each of the team's weight rows.
fn load_units(unit: u32) -> Units {
  var units: Units;
  for (var c = 0u; c < COLS; c++) {
    units[c] = load_unit(weight_rows[c], unit);
  }
  return units;
}

fn add_quads(v: Quads, unit: u32, quad: u32) {
  for (var m = 0u; m < ROWS; m++) {
    let x = x4(m, unit, quad);
#if COLS == 4
    part[m] += vec4<f32>(dot(v[0], x), dot(v[1], x), dot(v[2], x), dot(v[3], x));
#else
    part[m] += vec2<f32>(dot(v[0], x), dot(v[1], x));
#endif
  }
}

#if BITS != 0
fn word_of(unit: Unit, i: u32) -> u32 {
#if UNIT == 1
  return unit;
#else
  return unit[i];
#endif
}
#endif

// acc[m] += weight * (rows . x[m]) over one unit.
fn add_units(units: Units, rows: WeightRows, unit: u32, weight: f32) {
  let block = block_of(unit * UNIT_VALUES);
  part = array<Sums, ROWS>();
#if BITS == 0
  add_quads(units, unit, 0u);
  let scale = Sums(weight);
#else
  var scale: Sums;
  var zero: array<f32, COLS>;
  for (var c = 0u; c < COLS; c++) {
    scale[c] = weight * scale_of(rows[c], block);
    zero[c] = zero_point_of(rows[c], block);
  }
  for (var i = 0u; i < UNIT; i++) {
    for (var quad = 0u; quad < VALUES / 4u; quad++) {
      var v: Quads;
      for (var c = 0u; c < COLS; c++) {
        v[c] = scaled_quad(word_of(units[c], i), quad, zero[c]);
      }
      add_quads(v, unit, i * (VALUES / 4u) + quad);
    }
  }
#endif
  for (var m = 0u; m < ROWS; m++) {
    acc[m] += scale * part[m];
  }
}
