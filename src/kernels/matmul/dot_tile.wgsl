// The product of two staged tiles of 8-bit integers by packed dot products: an invocation holds TR rows and TC columns
// of the sums, in f32. A step is BLOCKS blocks of 32 values of K; each line of a block has a scale. The lines of one quad
// (16 values) lie side by side, those of even columns before those of odd ones: an invocation holds pairs of neighbouring
// columns.
alias Staged = vec4<u32>;
const BLOCKS: u32 = 2u;
const QUADS: u32 = 2u * BLOCKS;
const STEP: u32 = 16u * QUADS;
const COLUMN_LANES: u32 = TN / TC;
const ROW_LANES: u32 = TM / TR;
const WG: u32 = COLUMN_LANES * ROW_LANES;
var<workgroup> a_tile: array<vec4<u32>, TM * QUADS>;
var<workgroup> b_tile: array<vec4<u32>, TN * QUADS>;
var<workgroup> a_scales: array<f32, TM * BLOCKS>;
var<workgroup> b_scales: array<f32, TN * BLOCKS>;

alias Sums = array<f32, TR * TC>;

fn line_of(column: u32) -> u32 {
  return column % 2u * (TN / 2u) + column / 2u;
}

fn stage_a(row: u32, quad: u32, v: Staged) {
  a_tile[quad * TM + row] = v;
}

fn stage_b(column: u32, quad: u32, v: Staged) {
  b_tile[quad * TN + line_of(column)] = v;
}

fn stage_a_scale(row: u32, block: u32, scale: f32) {
  a_scales[block * TM + row] = scale;
}

fn stage_b_scale(column: u32, block: u32, scale: f32) {
  b_scales[block * TN + line_of(column)] = scale;
}

fn dot16(a: vec4<u32>, b: vec4<u32>, sum: i32) -> i32 {
  return dot4I8Packed(a.w, b.w) + (dot4I8Packed(a.z, b.z) + (dot4I8Packed(a.y, b.y) + (dot4I8Packed(a.x, b.x) + sum)));
}

fn multiply_tiles(lane: u32, sums: ptr<function, Sums>) {
  let row = lane / COLUMN_LANES;
  let column = lane % COLUMN_LANES;
  for (var block = 0u; block < BLOCKS; block++) {
    var b0 = array<vec4<u32>, TC>();
    var b1 = array<vec4<u32>, TC>();
    var scales = array<f32, TC>();
    for (var j = 0u; j < TC; j++) {
      b0[j] = b_tile[2u * block * TN + column + j * COLUMN_LANES];
      b1[j] = b_tile[(2u * block + 1u) * TN + column + j * COLUMN_LANES];
      scales[j] = b_scales[block * TN + column + j * COLUMN_LANES];
    }
    for (var i = 0u; i < TR; i++) {
      let a0 = a_tile[2u * block * TM + row + i * ROW_LANES];
      let a1 = a_tile[(2u * block + 1u) * TM + row + i * ROW_LANES];
      let scale = a_scales[block * TM + row + i * ROW_LANES];
      for (var j = 0u; j < TC; j++) {
        let product = f32(dot16(a1, b1[j], dot16(a0, b0[j], 0)));
        (*sums)[i * TC + j] = fma(product, scale * scales[j], (*sums)[i * TC + j]);
      }
    }
  }
}

fn store_sums(lane: u32, sums: ptr<function, Sums>) {
  for (var i = 0u; i < TR; i++) {
    for (var even = 0u; even < TC / 2u; even++) {
      let pair = vec2<f32>((*sums)[i * TC + even], (*sums)[i * TC + even + TC / 2u]);
      store_pair(lane / COLUMN_LANES + ROW_LANES * i, 2u * (lane % COLUMN_LANES + COLUMN_LANES * even), pair);
    }
  }
}
