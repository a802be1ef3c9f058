// A tile of TM rows by 64 columns of a matrix product, by 128 invocations: each holds TM / 8 rows and 4 columns in
// registers. Both operands lie in workgroup memory as quads along K, rows padded to an odd number of quads against bank
// conflicts.
const WG: u32 = 128u;
const TN: u32 = 64u;
const QUADS: u32 = 4u;       // of K in a step
const STEP: u32 = 4u * QUADS;
const PITCH: u32 = QUADS + 1u;
const THREAD_ROWS: u32 = TM / 8u;
var<workgroup> a_tile: array<vec4<f32>, TM * PITCH>;
var<workgroup> b_tile: array<vec4<f32>, TN * PITCH>;
var<private> sums: array<vec4<f32>, THREAD_ROWS>;  // [i][j]: row lane / 16 + 8 i, column lane % 16 + 16 j

fn multiply_tile(lane: u32) {
  let row = (lane / 16u) * PITCH;
  let column = (lane % 16u) * PITCH;
  for (var quad = 0u; quad < QUADS; quad++) {
    let b0 = b_tile[column + quad];
    let b1 = b_tile[column + 16u * PITCH + quad];
    let b2 = b_tile[column + 32u * PITCH + quad];
    let b3 = b_tile[column + 48u * PITCH + quad];
    for (var i = 0u; i < THREAD_ROWS; i++) {
      let a = a_tile[row + 8u * i * PITCH + quad];
      sums[i] += vec4<f32>(dot(a, b0), dot(a, b1), dot(a, b2), dot(a, b3));
    }
  }
}
