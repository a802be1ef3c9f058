// out = softmax(scale q.k) v for many rows: flash attention (Dao, 2023). One workgroup takes 64 rows of one KV head and
// walks over the keys it may see (or one split of them) in tiles of 32. A thread holds 4 x 4 scores, then 4 rows x CPT
// vec4s of the output: rows row_0 + 16 i with row_0 = thread / 8, keys 4 key_0 + j and columns key_0 + 8 j with
// key_0 = thread % 8. Queries, keys and values pass through one small tile of workgroup memory in f32, a few columns or
// keys at a time.
#include "kernels/attention/gqa_block.wgsl"

const CPT = (COLS + 7u) / 8u;     // output columns (vec4) of a thread
const ACC = 4u * CPT;
const Q_STRIDE = ROWS + 2u;       // of a column of queries in the tile: 2 more spread columns over banks
const K_STRIDE = KEYS + 2u;
const K_TILE = 4u * Q_STRIDE;     // where keys begin in the tile
const TILE = K_TILE + 4u * K_STRIDE;
const W_STRIDE = KEYS / 4u + 1u;  // vec4 of a row's weights; behind them one for a number of the row
const V_LOADS = (V_KEYS * COLS + WG - 1u) / WG;

var<workgroup> tile: array<vec4<f32>, TILE + 8u>;   // 8 more: a thread's unused last columns may read beyond the values
var<workgroup> weights: array<vec4<f32>, ROWS * W_STRIDE>;

fn mad(a: vec4<f32>, b: vec4<f32>, c: f32) -> f32 {
  return a.x * b.x + (a.y * b.y + (a.z * b.z + (a.w * b.w + c)));
}

// What a thread brings into workgroup memory at a time: column c of two query rows and of one key.
struct Brought {
  q_low: vec4<f32>,
  q_high: vec4<f32>,
  k: vec4<f32>,
}

fn fetch(q_low: u32, q_high: u32, k: u32, c: u32) -> Brought {
  if (c >= COLS) { return Brought(); }
  return Brought(vec4<f32>(query[q_low + c]), vec4<f32>(query[q_high + c]), vec4<f32>(key_cache[k + c]));
}

// q.k of this thread's 4 rows and 4 keys of the tile of keys beginning at `first`. Four columns pass through workgroup
// memory at a time; the next four are on their way meanwhile. Key 4 a + b lies at 8 b + a: a thread's keys follow one
// another, and what is read together lies in different banks.
fn tile_dots(place: Place, first: i32, thread: u32) -> array<vec4<f32>, 4> {
  let column = thread % 4u;
  let row = thread / 4u;
  let q_low = query_base(place, row);
  let q_high = query_base(place, 32u + row);
  let k_at = place.cache + u32(min(first + i32(row), place.end - 1)) * COLS;
  let k_to = K_TILE + column * K_STRIDE + row % 4u * 8u + row / 4u;
  let row_0 = thread / 8u;
  let key_0 = thread % 8u;
  var dots = array<vec4<f32>, 4>();
  var brought = fetch(q_low, q_high, k_at, column);
  for (var c0 = 0u; c0 < COLS; c0 += 4u) {
    workgroupBarrier();
    tile[column * Q_STRIDE + row] = brought.q_low;
    tile[column * Q_STRIDE + row + 32u] = brought.q_high;
    tile[k_to] = brought.k;
    workgroupBarrier();
    brought = fetch(q_low, q_high, k_at, c0 + 4u + column);
    for (var x = 0u; x < 4u; x++) {
      let k = K_TILE + x * K_STRIDE + key_0;
      let k0 = tile[k];
      let k1 = tile[k + 8u];
      let k2 = tile[k + 16u];
      let k3 = tile[k + 24u];
      for (var i = 0u; i < 4u; i++) {
        let q = tile[x * Q_STRIDE + row_0 + 16u * i];
        dots[i] = vec4<f32>(mad(q, k0, dots[i].x), mad(q, k1, dots[i].y), mad(q, k2, dots[i].z), mad(q, k3, dots[i].w));
      }
    }
  }
  return dots;
}

// Writes this thread's 16 scores to workgroup memory.
fn store_scores(place: Place, first: i32, thread: u32, dots: array<vec4<f32>, 4>) {
  var values = dots;   // WGSL indexes only variables by a variable
  let key_0 = thread % 8u;
  let key = first + i32(4u * key_0);
#if !SOFTCAP && !HAS_BIAS
  let plain = sees_all(place, first);
#else
  let plain = false;
#endif
  for (var i = 0u; i < 4u; i++) {
    let r = thread / 8u + 16u * i;
    var scores = values[i] * params.scale;
    if (!plain) {
      let view = view_of(place, r);
      scores = vec4<f32>(view_score(view, values[i].x, key), view_score(view, values[i].y, key + 1),
                         view_score(view, values[i].z, key + 2), view_score(view, values[i].w, key + 3));
    }
    weights[r * W_STRIDE + key_0] = scores;
  }
}

fn weights_of(scores: vec4<f32>, m: f32) -> vec4<f32> {
  return select(exp(scores - m), vec4<f32>(0.0), scores <= vec4<f32>(kMasked));
}

fn greatest(x: vec4<f32>) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }

// Scores become weights, and what the row's output must be scaled by is put behind them. Two threads a row, 16 keys
// each. In and out: (row's maximum, sum of this half's weights).
fn tile_softmax(state: vec2<f32>, thread: u32) -> vec2<f32> {
  let row = thread / 2u * W_STRIDE;
  let own = row + thread % 2u * 4u;
  var scores: array<vec4<f32>, 4>;
  var top = vec4<f32>(state.x);
  for (var i = 0u; i < 4u; i++) {
    scores[i] = weights[own + i];
    top = max(max(top, scores[i]), weights[row + (own - row + 4u) % 8u + i]);
  }
  let m = greatest(top);
  let rescale = exp(state.x - m);
  var l = vec4<f32>(state.y * rescale, 0.0, 0.0, 0.0);
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    let w = weights_of(scores[i], m);
    weights[own + i] = w;
    l += w;
  }
  if (thread % 2u == 0u) { weights[row + 8u] = vec4<f32>(rescale); }
  return vec2<f32>(m, (l.x + l.y) + (l.z + l.w));
}

alias Values = array<vec4<T>, V_LOADS>;

// The thread's part of the V_KEYS values from `first` on.
fn fetch_values(place: Place, first: i32, thread: u32) -> Values {
  var values = Values();
  for (var n = 0u; n < V_LOADS; n++) {
    let i = thread + n * WG;
    // Beyond the end memory is undefined, and 0 * NaN is NaN.
    if (i < V_KEYS * COLS && first + i32(i / COLS) < place.end) {
      values[n] = value_cache[place.cache + u32(first) * COLS + i];
    }
  }
  return values;
}

fn put_values(brought: Values, thread: u32) {
  var values = brought;
  for (var n = 0u; n < V_LOADS; n++) {
    let i = thread + n * WG;
    if (i < V_KEYS * COLS) { tile[i] = vec4<f32>(values[n]); }
  }
}

// acc += weights * values of the V_KEYS keys in the tile, the first of which is key v0 of the weights.
fn add_chunk(v0: u32, thread: u32, acc: ptr<function, array<vec4<f32>, ACC>>) {
  let row_0 = thread / 8u;
  for (var key = 0u; key < V_KEYS; key += 4u) {
    var w: array<vec4<f32>, 4>;
    for (var i = 0u; i < 4u; i++) { w[i] = weights[(row_0 + 16u * i) * W_STRIDE + (v0 + key) / 4u]; }
    for (var c = 0u; c < CPT; c++) {
      let at = key * COLS + thread % 8u + 8u * c;
      let a = tile[at];
      let b = tile[at + COLS];
      let d = tile[at + 2u * COLS];
      let e = tile[at + 3u * COLS];
      for (var i = 0u; i < 4u; i++) {
        (*acc)[i * CPT + c] = w[i].w * e + (w[i].z * d + (w[i].y * b + (w[i].x * a + (*acc)[i * CPT + c])));
      }
    }
  }
}

// acc = acc * rescale + weights * values of the tile of keys that begins at `first`; its first values are there.
fn add_values(place: Place, first: i32, thread: u32, acc: ptr<function, array<vec4<f32>, ACC>>) {
  for (var i = 0u; i < 4u; i++) {
    let rescale = weights[(thread / 8u + 16u * i) * W_STRIDE + 8u].x;
    for (var c = 0u; c < CPT; c++) { (*acc)[i * CPT + c] *= rescale; }
  }
  for (var v0 = 0u; v0 < KEYS; v0 += V_KEYS) {
    var next = Values();
    if (v0 + V_KEYS < KEYS) { next = fetch_values(place, first + i32(v0 + V_KEYS), thread); }   // while these are added
    add_chunk(v0, thread, acc);
    if (v0 + V_KEYS < KEYS) {
      workgroupBarrier();
      put_values(next, thread);
      workgroupBarrier();
    }
  }
}

// Stores the thread's rows. Two threads know a row's maximum and half of its sum each.
fn store_rows(place: Place, state: vec2<f32>, thread: u32, acc: ptr<function, array<vec4<f32>, ACC>>) {
  workgroupBarrier();
  tile[thread] = vec4<f32>(state.y);
  if (thread % 2u == 0u) { weights[thread / 2u * W_STRIDE + 8u] = vec4<f32>(state.x); }
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    let r = thread / 8u + 16u * i;
    let m = weights[r * W_STRIDE + 8u].x;
    let l = tile[2u * r].x + tile[2u * r + 1u].x;
    for (var c = 0u; c < CPT; c++) { store_column(place, r, thread % 8u + 8u * c, (*acc)[i * CPT + c], m, l); }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let place = place_of(flat);
  if (is_idle(place)) { return; }
  var acc: array<vec4<f32>, ACC>;
  var state = vec2<f32>(kMasked, 0.0);   // of row thread / 2
  for (var first = place.begin; first < place.end; first += i32(KEYS)) {
    let values = fetch_values(place, first, thread);   // in flight while scores are computed
    store_scores(place, first, thread, tile_dots(place, first, thread));
    workgroupBarrier();
    put_values(values, thread);
    state = tile_softmax(state, thread);
    workgroupBarrier();
    add_values(place, first, thread, &acc);
  }
  store_rows(place, state, thread, &acc);
}
