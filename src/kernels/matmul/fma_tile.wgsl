// The product of two staged tiles by multiply-adds: every invocation holds TR rows and TC columns of the sums. Both
// tiles lie in workgroup memory as quads along K; which quad of a line lies where depends on the line, so that eight
// neighbouring lines are read without bank conflicts. Even columns come first, then odd ones: an invocation holds pairs
// of neighbouring columns. TM / TR and TN / TC are multiples of 8, TC of 4.
alias StagedElement = f32;
alias Staged = vec4<f32>;
const QUADS: u32 = 4u;
const STEP: u32 = 4u * QUADS;  // of K
const COLUMN_LANES: u32 = TN / TC;
const ROW_LANES: u32 = TM / TR;
const WG: u32 = COLUMN_LANES * ROW_LANES;
const GROUPS: u32 = TC / 4u;
var<workgroup> a_tile: array<vec4<f32>, TM * QUADS>;
var<workgroup> b_tile: array<vec4<f32>, TN * QUADS>;

// [i * GROUPS + g][j]: row row_lane + ROW_LANES * i, line column_lane + COLUMN_LANES * (4 * g + j).
alias Sums = array<vec4<f32>, TR * GROUPS>;

fn place(line: u32, quad: u32) -> u32 {
  return line * QUADS + (quad ^ (line / 2u % QUADS));
}

fn stage_a(row: u32, quad: u32, v: Staged) {
  a_tile[place(row, quad)] = v;
}

fn stage_b(column: u32, quad: u32, v: Staged) {
  b_tile[place(column % 2u * (TN / 2u) + column / 2u, quad)] = v;
}

fn multiply_tiles(lane: u32, sums: ptr<function, Sums>) {
  for (var quad = 0u; quad < QUADS; quad++) {
    let a_at = place(lane / COLUMN_LANES, quad);
    let b_at = place(lane % COLUMN_LANES, quad);
    var b = array<vec4<f32>, TC>();
    for (var j = 0u; j < TC; j++) {
      b[j] = b_tile[b_at + j * COLUMN_LANES * QUADS];
    }
    for (var part = 0u; part < TR; part += 2u) {
      if (part * ROW_LANES < used_rows) {
        for (var i = part; i < part + 2u; i++) {
          let a = a_tile[a_at + i * ROW_LANES * QUADS];
          for (var g = 0u; g < GROUPS; g++) {
            let j = 4u * g;
            var s = (*sums)[i * GROUPS + g];
            s = fma(vec4<f32>(a.x), vec4<f32>(b[j].x, b[j + 1u].x, b[j + 2u].x, b[j + 3u].x), s);
            s = fma(vec4<f32>(a.y), vec4<f32>(b[j].y, b[j + 1u].y, b[j + 2u].y, b[j + 3u].y), s);
            s = fma(vec4<f32>(a.z), vec4<f32>(b[j].z, b[j + 1u].z, b[j + 2u].z, b[j + 3u].z), s);
            s = fma(vec4<f32>(a.w), vec4<f32>(b[j].w, b[j + 1u].w, b[j + 2u].w, b[j + 3u].w), s);
            (*sums)[i * GROUPS + g] = s;
          }
        }
      }
    }
  }
}

fn store_sums(lane: u32, sums: ptr<function, Sums>) {
  for (var i = 0u; i < TR; i++) {
    for (var even = 0u; even < TC / 2u; even++) {
      let odd = even + TC / 2u;
      let pair = vec2<f32>((*sums)[i * GROUPS + even / 4u][even % 4u], (*sums)[i * GROUPS + odd / 4u][odd % 4u]);
      store_pair(lane / COLUMN_LANES + ROW_LANES * i, 2u * (lane % COLUMN_LANES + COLUMN_LANES * even), pair);
    }
  }
}
