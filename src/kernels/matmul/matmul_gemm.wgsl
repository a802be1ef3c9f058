// y = alpha * op(a) * op(b) + beta * c. A workgroup makes a tile (tile.wgsl) of one batch. Operands are read in blocks
// of four lines (rows of a, columns of b) by four values of K: neighbouring invocations read neighbouring elements,
// along K or, where the matrix lies the other way, along its lines. A_WIDE, B_WIDE: A, B are vectors of four elements.
#include "kernels/matmul/matmul_common.wgsl"
#include "kernels/matmul/tile.wgsl"

const A_BLOCKS: u32 = TM / 4u * QUADS;
const B_BLOCKS: u32 = TN / 4u * QUADS;
const A_LOADS: u32 = (A_BLOCKS + WG - 1u) / WG;
const B_LOADS: u32 = (B_BLOCKS + WG - 1u) / WG;
alias Block = array<Staged, 4>;  // of a line each
var<private> first_row: u32;
var<private> first_column: u32;
var<private> a_blocks: array<Block, A_LOADS>;
var<private> b_blocks: array<Block, B_LOADS>;

fn start_tile(lane: u32, tile: u32) -> bool {
  let row_tiles = (params.m + TM - 1u) / TM;
  let tiles = row_tiles * ((params.n + TN - 1u) / TN);
  if (tile >= tiles * params.batches) {
    return false;
  }
  set_batch(tile / tiles);
  first_row = tile % tiles % row_tiles * TM;
  first_column = tile % tiles / row_tiles * TN;
  used_rows = params.m - first_row;
  return true;
}

// The first line and the quad of block i of a tile.
fn along_k(i: u32) -> vec2<u32> {
  return vec2<u32>(i / QUADS * 4u, i % QUADS);
}

fn along_lines(i: u32, lines: u32) -> vec2<u32> {
  return vec2<u32>(i % (lines / 4u) * 4u, i / (lines / 4u));
}

fn a_place(i: u32) -> vec2<u32> {
#if TRANS_A
  return along_lines(i, TM);
#else
  return along_k(i);
#endif
}

fn b_place(i: u32) -> vec2<u32> {
#if TRANS_B
  return along_k(i);
#else
  return along_lines(i, TN);
#endif
}

// Lines and values of K beyond the last are read like the last; sums of the former are not stored, the latter count as
// 0. No load hangs on a condition: all are then in flight at once.
fn last_k(k: u32) -> u32 {
#if RAGGED
  return min(k, params.k - 1u);
#else
  return k;
#endif
}

fn within_k(v: Staged, k: u32) -> Staged {
#if RAGGED
  return select(Staged(), v, vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(params.k));
#else
  return v;
#endif
}

fn a_line(row: u32, k: u32) -> Staged {
  let start = a_start + min(row, params.m - 1u) * params.a_row;
#if A_WIDE
  return within_k(Staged(a[(start + last_k(k)) / 4u]), k);
#else
  var v = Staged();
  for (var j = 0u; j < 4u; j++) {
    v[j] = StagedElement(a[start + last_k(k + j) * params.a_k]);
  }
  return within_k(v, k);
#endif
}

fn a_block(row: u32, k: u32) -> Block {
  return Block(a_line(row, k), a_line(row + 1u, k), a_line(row + 2u, k), a_line(row + 3u, k));
}

#if B_WIDE && !TRANS_B
// Where this is read, n is a multiple of 4.
fn b_row(column: u32, k: u32) -> Staged {
  return Staged(b[(b_start + last_k(k) * params.b_k + min(column, params.n - 4u)) / 4u]);
}

fn b_block(column: u32, k: u32) -> Block {
  let v0 = b_row(column, k);
  let v1 = b_row(column, k + 1u);
  let v2 = b_row(column, k + 2u);
  let v3 = b_row(column, k + 3u);
  return Block(within_k(Staged(v0.x, v1.x, v2.x, v3.x), k), within_k(Staged(v0.y, v1.y, v2.y, v3.y), k),
               within_k(Staged(v0.z, v1.z, v2.z, v3.z), k), within_k(Staged(v0.w, v1.w, v2.w, v3.w), k));
}
#else
fn b_line(column: u32, k: u32) -> Staged {
  let start = b_start + min(column, params.n - 1u) * params.b_column;
#if B_WIDE
  return within_k(Staged(b[(start + last_k(k)) / 4u]), k);
#else
  var v = Staged();
  for (var j = 0u; j < 4u; j++) {
    v[j] = StagedElement(b[start + last_k(k + j) * params.b_k]);
  }
  return within_k(v, k);
#endif
}

fn b_block(column: u32, k: u32) -> Block {
  return Block(b_line(column, k), b_line(column + 1u, k), b_line(column + 2u, k), b_line(column + 3u, k));
}
#endif

fn fetch_a(lane: u32, k: u32) {
  for (var load = 0u; load < A_LOADS; load++) {
    let place = a_place(min(lane + load * WG, A_BLOCKS - 1u));
    a_blocks[load] = a_block(first_row + place.x, k + 4u * place.y);
  }
}

fn fetch_b(lane: u32, k: u32) {
  for (var load = 0u; load < B_LOADS; load++) {
    let place = b_place(min(lane + load * WG, B_BLOCKS - 1u));
    b_blocks[load] = b_block(first_column + place.x, k + 4u * place.y);
  }
}

fn put_a(lane: u32) {
  for (var load = 0u; load < A_LOADS; load++) {
    let place = a_place(lane + load * WG);
    if (A_BLOCKS % WG == 0u || lane + load * WG < A_BLOCKS) {
      for (var line = 0u; line < 4u; line++) {
        stage_a(place.x + line, place.y, a_blocks[load][line]);
      }
    }
  }
}

fn put_b(lane: u32) {
  for (var load = 0u; load < B_LOADS; load++) {
    let place = b_place(lane + load * WG);
    if (B_BLOCKS % WG == 0u || lane + load * WG < B_BLOCKS) {
      for (var line = 0u; line < 4u; line++) {
        stage_b(place.x + line, place.y, b_blocks[load][line]);
      }
    }
  }
}

fn store_pair(row: u32, column: u32, v: vec2<f32>) {
  store(first_row + row, first_column + column, v.x);
  store(first_row + row, first_column + column + 1u, v.y);
}
