// gqa_prefill.wgsl with both products by subgroup matrices of 16 x 16 x 16, f16 added up in f32. For Tint alone. A
// workgroup takes 64 rows of one KV head, each of its four subgroups 16 of them, and walks over the keys in tiles of 32.
// Keys and values pass through one tile of workgroup memory; a subgroup's scores and weights through patches of their
// own, since who holds which element of a matrix is not known. There TPR threads share a row.
//
// The output cannot be scaled where it is, so that weights are relative to a maximum that lags behind: only where a score
// of the workgroup exceeds its row's by kSlack are outputs brought through the patch and scaled. Until then weights may
// grow to exp(kSlack), which f16 holds with room to spare.
enable chromium_experimental_subgroup_matrix;
enable subgroups;
diagnostic(off, chromium.subgroup_matrix_uniformity);
#include "kernels/attention/gqa_block.wgsl"

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;

const kSlack = 8.0;
const TPR = SUBGROUP / 16u;      // threads of a row
const PART = KEYS / TPR;         // columns of a patch that one of them looks after
const LOADS = KEYS * COLS / WG;  // vec4 of keys or values that a thread brings
// Lines are padded by 16 bytes: rows that are loaded together then begin in different banks.
const PITCH = D + 8u;
const SCORE_PITCH = KEYS + 4u;
const WEIGHT_PITCH = KEYS + 8u;

var<workgroup> q_tile: array<f16, ROWS * PITCH>;
var<workgroup> kv_tile: array<f16, KEYS * PITCH>;
var<workgroup> scores: array<f32, ROWS * SCORE_PITCH>;
var<workgroup> weights: array<f16, ROWS * WEIGHT_PITCH>;
var<workgroup> grown: array<u32, 4>;   // of each subgroup: whether a row's maximum must be raised

// Two matrices that lie side by side in a patch.
struct Pair {
  a: Result,
  b: Result,
}

// 16 rows of the output: PAIRS of 32 columns, one by one, because an array of matrices would lie in memory.
struct Output {
  p0: Pair,
#if PAIRS != 1
  p1: Pair,
#endif
#if PAIRS == 3 || PAIRS == 4
  p2: Pair,
#endif
#if PAIRS == 4
  p3: Pair,
#endif
}

// Where a thread works: its subgroup, its row of the block and its part of the row.
struct Seat {
  subgroup: u32,
  row: u32,
  part: u32,
}

alias Brought = array<vec4<f16>, LOADS>;

// Beyond the end memory is undefined: the last key is repeated.
fn fetch_keys(place: Place, first: i32, thread: u32) -> Brought {
  var keys = Brought();
  for (var n = 0u; n < LOADS; n++) {
    let i = thread + n * WG;
    let key = max(min(first + i32(i / COLS), place.end - 1), 0);
    keys[n] = key_cache[place.cache + u32(key) * COLS + i % COLS];
  }
  return keys;
}

// Values beyond the end are 0: they weigh nothing, but 0 * NaN is NaN.
fn fetch_values(place: Place, first: i32, thread: u32) -> Brought {
  var values = Brought();
  for (var n = 0u; n < LOADS; n++) {
    let i = thread + n * WG;
    if (first + i32(i / COLS) < place.end) { values[n] = value_cache[place.cache + u32(first) * COLS + i]; }
  }
  return values;
}

fn stage(brought: Brought, thread: u32) {
  var lines = brought;
  for (var n = 0u; n < LOADS; n++) {
    let i = thread + n * WG;
    let at = i / COLS * PITCH + i % COLS * 4u;
    kv_tile[at] = lines[n].x;
    kv_tile[at + 1u] = lines[n].y;
    kv_tile[at + 2u] = lines[n].z;
    kv_tile[at + 3u] = lines[n].w;
  }
}

fn stage_queries(place: Place, thread: u32) {
  for (var i = thread; i < ROWS * COLS; i += WG) {
    let q = query[query_base(place, i / COLS) + i % COLS];
    let at = i / COLS * PITCH + i % COLS * 4u;
    q_tile[at] = q.x;
    q_tile[at + 1u] = q.y;
    q_tile[at + 2u] = q.z;
    q_tile[at + 3u] = q.w;
  }
}

fn store_pair(subgroup: u32, pair: Pair) {
  let corner = subgroup * 16u * SCORE_PITCH;
  subgroupMatrixStore(&scores, corner, pair.a, false, SCORE_PITCH);
  subgroupMatrixStore(&scores, corner + 16u, pair.b, false, SCORE_PITCH);
}

// q.k of the subgroup's rows, into its patch.
fn multiply_keys(subgroup: u32) {
  var dots = Pair();
  for (var d = 0u; d < D; d += 16u) {
    let q = subgroupMatrixLoad<Left>(&q_tile, subgroup * 16u * PITCH + d, false, PITCH);
    dots.a = subgroupMatrixMultiplyAccumulate(q, subgroupMatrixLoad<Right>(&kv_tile, d, true, PITCH), dots.a);
    dots.b = subgroupMatrixMultiplyAccumulate(q, subgroupMatrixLoad<Right>(&kv_tile, 16u * PITCH + d, true, PITCH),
                                              dots.b);
  }
  store_pair(subgroup, dots);
}

fn add_pair(w: Left, at: u32, pair: Pair) -> Pair {
  return Pair(subgroupMatrixMultiplyAccumulate(w, subgroupMatrixLoad<Right>(&kv_tile, at, false, PITCH), pair.a),
              subgroupMatrixMultiplyAccumulate(w, subgroupMatrixLoad<Right>(&kv_tile, at + 16u, false, PITCH), pair.b));
}

fn add_values(subgroup: u32, sum: ptr<function, Output>) {
  for (var key = 0u; key < KEYS; key += 16u) {
    let w = subgroupMatrixLoad<Left>(&weights, subgroup * 16u * WEIGHT_PITCH + key, false, WEIGHT_PITCH);
    sum.p0 = add_pair(w, key * PITCH, sum.p0);
#if PAIRS != 1
    sum.p1 = add_pair(w, key * PITCH + 32u, sum.p1);
#endif
#if PAIRS == 3 || PAIRS == 4
    sum.p2 = add_pair(w, key * PITCH + 64u, sum.p2);
#endif
#if PAIRS == 4
    sum.p3 = add_pair(w, key * PITCH + 96u, sum.p3);
#endif
  }
}

fn scaled_pair(seat: Seat, factor: f32, pair: Pair) -> Pair {
  store_pair(seat.subgroup, pair);
  workgroupBarrier();
  for (var i = 0u; i < PART; i++) { scores[seat.row * SCORE_PITCH + i * TPR + seat.part] *= factor; }
  workgroupBarrier();
  let corner = seat.subgroup * 16u * SCORE_PITCH;
  let scaled = Pair(subgroupMatrixLoad<Result>(&scores, corner, false, SCORE_PITCH),
                    subgroupMatrixLoad<Result>(&scores, corner + 16u, false, SCORE_PITCH));
  workgroupBarrier();
  return scaled;
}

fn scale_output(seat: Seat, factor: f32, sum: ptr<function, Output>) {
  sum.p0 = scaled_pair(seat, factor, sum.p0);
#if PAIRS != 1
  sum.p1 = scaled_pair(seat, factor, sum.p1);
#endif
#if PAIRS == 3 || PAIRS == 4
  sum.p2 = scaled_pair(seat, factor, sum.p2);
#endif
#if PAIRS == 4
  sum.p3 = scaled_pair(seat, factor, sum.p3);
#endif
}

alias Part = array<f32, PART>;

// The thread's scores: keys TPR i + part of the tile.
fn read_scores(seat: Seat, place: Place, first: i32) -> Part {
  var part: Part;
#if !SOFTCAP && !HAS_BIAS
  let plain = sees_all(place, first);
#else
  let plain = false;
#endif
  let view = view_of(place, seat.row);
  for (var i = 0u; i < PART; i++) {
    let column = i * TPR + seat.part;
    let dot = scores[seat.row * SCORE_PITCH + column];
    part[i] = dot * params.scale;
    if (!plain) { part[i] = view_score(view, dot, first + i32(column)); }
  }
  return part;
}

fn row_max(part: Part) -> f32 {
  var values = part;
  var top = values[0];
  for (var i = 1u; i < PART; i++) { top = max(top, values[i]); }
  for (var mask = 1u; mask < TPR; mask *= 2u) { top = max(top, subgroupShuffleXor(top, mask)); }
  return top;
}

// Writes the thread's weights; returns their sum, as the product will see them.
fn write_weights(seat: Seat, part: Part, m: f32) -> f32 {
  var values = part;
  var sum = 0.0;
  for (var i = 0u; i < PART; i++) {
    let w = f16(weight(values[i], m));
    weights[seat.row * WEIGHT_PITCH + i * TPR + seat.part] = w;
    sum += f32(w);
  }
  return sum;
}

// Whether any row of the workgroup needs a higher maximum. A barrier for the workgroup.
fn any_grew(seat: Seat, sublane: u32, grew: bool) -> bool {
  let some = subgroupAny(grew);
  if (sublane == 0u) { grown[seat.subgroup] = u32(some); }
  let flags = workgroupUniformLoad(&grown);
  return (flags[0] | flags[1] | flags[2] | flags[3]) != 0u;
}

// Stores columns `first` to first + 31 of the output.
fn write_pair(seat: Seat, place: Place, first: u32, state: vec2<f32>, pair: Pair) {
  store_pair(seat.subgroup, pair);
  workgroupBarrier();
  for (var i = 0u; i < PART; i += 4u) {
    let column = seat.part * PART + i;
    let at = seat.row * SCORE_PITCH + column;
    store_column(place, seat.row, (first + column) / 4u,
                 vec4<f32>(scores[at], scores[at + 1u], scores[at + 2u], scores[at + 3u]), state.x, state.y);
  }
  workgroupBarrier();
}

fn write_output_rows(seat: Seat, place: Place, state: vec2<f32>, sum: ptr<function, Output>) {
  write_pair(seat, place, 0u, state, sum.p0);
#if PAIRS != 1
  write_pair(seat, place, 32u, state, sum.p1);
#endif
#if PAIRS == 3 || PAIRS == 4
  write_pair(seat, place, 64u, state, sum.p2);
#endif
#if PAIRS == 4
  write_pair(seat, place, 96u, state, sum.p3);
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) sublane: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let place = place_of(flat);
  if (is_idle(place)) { return; }
  let seat = Seat(subgroup, subgroup * 16u + sublane / TPR, sublane % TPR);
  var sum = Output();
  var m = kMasked;   // of the thread's row; may lag behind
  var l = 0.0;       // of the thread's part of it
  var keys = fetch_keys(place, place.begin, thread);
  stage_queries(place, thread);
  for (var first = place.begin; first < place.end; first += i32(KEYS)) {
    workgroupBarrier();
    stage(keys, thread);
    workgroupBarrier();
    let values = fetch_values(place, first, thread);   // in flight while the keys are multiplied
    multiply_keys(subgroup);
    workgroupBarrier();
    stage(values, thread);
    let part = read_scores(seat, place, first);
    let top = row_max(part);
    if (any_grew(seat, sublane, top > m + kSlack)) {
      let raised = max(m, top);
      l *= exp(m - raised);
      scale_output(seat, exp(m - raised), &sum);
      m = raised;
    }
    l += write_weights(seat, part, m);
    workgroupBarrier();
    keys = fetch_keys(place, first + i32(KEYS), thread);
    add_values(subgroup, &sum);
  }
  for (var mask = 1u; mask < TPR; mask *= 2u) { l += subgroupShuffleXor(l, mask); }
  write_output_rows(seat, place, vec2<f32>(m, l), &sum);
}
