// out = softmax(scale q.k) v for many rows: flash attention (Dao, 2023). One workgroup takes 64 rows of one KV head and
// walks over the keys it may see (or one split of them) in tiles of 32. A thread holds 4 x 4 scores, then 4 rows x CPT
// vec4s of the output: rows row_0 + 16 i with row_0 = thread / 8, keys and columns key_0 + 8 j with key_0 = thread % 8.
// Queries, keys and values pass through one small tile of workgroup memory in f32, a few columns or keys at a time.
#include "kernels/common/flat_id.wgsl"
#include "kernels/attention/gqa_common.wgsl"
#include "kernels/attention/gqa_score.wgsl"

const COLS = D / 4u;
const CPT = (COLS + 7u) / 8u;     // output columns (vec4) of a thread
const ACC = 4u * CPT;
const K_TILE = 4u * ROWS;         // where keys begin in the tile, after 4 columns of queries
const TILE = K_TILE + 4u * KEYS;
const P_STRIDE = KEYS + 1u;       // odd: rows fall into different banks

@group(0) @binding(AT_Q) var<storage, read> query: array<vec4<T>>;
@group(0) @binding(AT_KCACHE) var<storage, read> key_cache: array<vec4<T>>;
@group(0) @binding(AT_VCACHE) var<storage, read> value_cache: array<vec4<T>>;
#if SPLIT
@group(0) @binding(AT_SUMS) var<storage, read_write> sums: array<vec4<f32>>;
@group(0) @binding(AT_STATS) var<storage, read_write> stats: array<vec2<f32>>;
#else
#include "kernels/attention/gqa_output.wgsl"
#endif

var<workgroup> tile: array<vec4<f32>, TILE + 8u>;   // 8 more: a thread's unused last columns may read beyond the values
var<workgroup> weights: array<f32, ROWS * P_STRIDE>;
var<workgroup> row_value: array<f32, ROWS>;         // exp(old max - new max); at the end the max
var<workgroup> halves: array<f32, WG>;              // of the two threads of a row

fn mad(a: vec4<f32>, b: vec4<f32>, c: f32) -> f32 {
  return a.x * b.x + (a.y * b.y + (a.z * b.z + (a.w * b.w + c)));
}

// What a workgroup works on: one split of one block of one KV head.
struct Place {
  cache_head: u32,   // b * kv_heads + kv_head
  b: u32,
  kv_head: u32,
  first_row: u32,
  split: u32,
  cache: u32,        // vec4 where the head's cache begins
  end: i32,          // of the keys, exclusive
}

fn query_base(place: Place, row: u32) -> u32 {
  let clamped = min(row, params.rows - 1u);
  return (place.b * params.seq + clamped / params.group) * (params.q_stride / 4u) +
         (place.kv_head * params.group + clamped % params.group) * COLS;
}

// q.k of this thread's 4 rows and 4 keys of the tile of keys beginning at `first`. Four columns pass through workgroup
// memory at a time: a thread brings column thread % 4 of two query rows and of one key.
fn tile_dots(place: Place, first: i32, thread: u32) -> array<f32, 16> {
  let column = thread % 4u;
  let brought = thread / 4u;
  let q_at = query_base(place, place.first_row + brought);
  let q_at_2 = query_base(place, place.first_row + 32u + brought);
  let k_at = place.cache + u32(min(first + i32(brought), place.end - 1)) * COLS;
  let row_0 = thread / 8u;
  let key_0 = thread % 8u;
  var dots = array<f32, 16>();
  for (var c0 = 0u; c0 < COLS; c0 += 4u) {
    let c = c0 + column;
    var q_first = vec4<f32>(0.0);
    var q_second = vec4<f32>(0.0);
    var k_value = vec4<f32>(0.0);
    if (c < COLS) {
      q_first = vec4<f32>(query[q_at + c]);
      q_second = vec4<f32>(query[q_at_2 + c]);
      k_value = vec4<f32>(key_cache[k_at + c]);
    }
    workgroupBarrier();
    tile[column * ROWS + brought] = q_first;
    tile[column * ROWS + brought + 32u] = q_second;
    tile[K_TILE + column * KEYS + brought] = k_value;
    workgroupBarrier();
    for (var x = 0u; x < 4u; x++) {
      var q: array<vec4<f32>, 4>;
      var k: array<vec4<f32>, 4>;
      for (var i = 0u; i < 4u; i++) {
        q[i] = tile[x * ROWS + row_0 + 16u * i];
        k[i] = tile[K_TILE + x * KEYS + key_0 + 8u * i];
      }
      for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) { dots[4u * i + j] = mad(q[i], k[j], dots[4u * i + j]); }
      }
    }
  }
  return dots;
}

// Writes this thread's 16 scores to workgroup memory.
fn store_scores(place: Place, first: i32, thread: u32, dots: array<f32, 16>) {
  var values = dots;   // WGSL indexes only variables by a variable
  let past = past_length(place.b);
  let key_0 = thread % 8u;
  for (var i = 0u; i < 4u; i++) {
    let r = thread / 8u + 16u * i;
    let row = min(place.first_row + r, params.rows - 1u);
    let seen_first = first_key(past, row / params.group);
    let seen_last = min(last_key(place.b, past, row / params.group), place.end);
    let bias_at = bias_offset(place.b, place.kv_head, row);
    for (var j = 0u; j < 4u; j++) {
      let key = first + i32(key_0 + 8u * j);
      weights[r * P_STRIDE + key_0 + 8u * j] =
          score(values[4u * i + j] * params.scale, key >= seen_first && key < seen_last, bias_at, key);
    }
  }
}

// Scores become weights; two threads a row, 16 keys each. In and out: (row's maximum, sum of this half's weights).
fn tile_softmax(state: vec2<f32>, thread: u32) -> vec2<f32> {
  let base = thread / 2u * P_STRIDE + thread % 2u * 16u;
  var top = weights[base];
  for (var i = 1u; i < 16u; i++) { top = max(top, weights[base + i]); }
  halves[thread] = top;
  workgroupBarrier();
  let m = max(state.x, max(top, halves[thread ^ 1u]));
  let rescale = exp(state.x - m);
  var l = state.y * rescale;
  for (var i = 0u; i < 16u; i++) {
    let w = weight(weights[base + i], m);
    weights[base + i] = w;
    l += w;
  }
  if (thread % 2u == 0u) { row_value[thread / 2u] = rescale; }
  return vec2<f32>(m, l);
}

// acc = acc * rescale + weights * values of the tile of keys that begins at `first`.
fn add_values(place: Place, first: i32, thread: u32, acc: ptr<function, array<vec4<f32>, ACC>>) {
  let row_0 = thread / 8u;
  let key_0 = thread % 8u;
  for (var i = 0u; i < 4u; i++) {
    for (var c = 0u; c < CPT; c++) { (*acc)[i * CPT + c] *= row_value[row_0 + 16u * i]; }
  }
  for (var v0 = 0u; v0 < KEYS; v0 += V_KEYS) {
    let v_first = u32(first) + v0;
    for (var i = thread; i < V_KEYS * COLS; i += WG) {
      // Beyond the end memory is undefined, and 0 * NaN is NaN.
      var value = vec4<f32>(0.0);
      if (v_first + i / COLS < u32(place.end)) { value = vec4<f32>(value_cache[place.cache + v_first * COLS + i]); }
      tile[i] = value;
    }
    workgroupBarrier();
    for (var key = 0u; key < V_KEYS; key++) {
      var w: vec4<f32>;
      for (var i = 0u; i < 4u; i++) { w[i] = weights[(row_0 + 16u * i) * P_STRIDE + v0 + key]; }
      for (var c = 0u; c < CPT; c++) {
        let value = tile[key * COLS + key_0 + 8u * c];
        for (var i = 0u; i < 4u; i++) { (*acc)[i * CPT + c] += w[i] * value; }
      }
    }
    workgroupBarrier();
  }
}

// Row r's part of the result, of which acc holds this thread's columns.
fn store_row(place: Place, r: u32, thread: u32, acc: array<vec4<f32>, CPT>) {
  var values = acc;
  let row = place.first_row + r;
  let m = row_value[r];
  let l = halves[2u * r] + halves[2u * r + 1u];
  let col_0 = thread % 8u;
  if (row >= params.rows) { return; }
#if SPLIT
  let at = (place.cache_head * params.rows + row) * params.splits + place.split;
  if (col_0 == 0u) { stats[at] = vec2<f32>(m, l); }
  for (var c = 0u; c < CPT; c++) {
    if (col_0 + 8u * c < COLS) { sums[at * COLS + col_0 + 8u * c] = values[c]; }
  }
#else
  let head = place.kv_head * params.group + row % params.group;
  let at = ((place.b * params.seq + row / params.group) * params.heads + head) * COLS;
  let factor = finish_factor(m, l, head);
  for (var c = 0u; c < CPT; c++) {
    if (col_0 + 8u * c < COLS) { write_output(at + col_0 + 8u * c, values[c] * factor); }
  }
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let split = flat % params.splits;
  // Later rows see more keys: they start first.
  let block = params.blocks - 1u - flat / params.splits % params.blocks;
  let head = flat / (params.splits * params.blocks);
  let b = head / params.kv_heads;
  let keys = block_keys(b, block);
  let begin = keys.first + i32(split) * keys.chunk;
  let end = min(begin + keys.chunk, keys.last);
#if SPLIT
  if (split >= used_splits(keys)) { return; }
#endif
  let place = Place(head, b, head % params.kv_heads, block * ROWS, split, head * params.capacity * COLS, end);
  var acc: array<vec4<f32>, ACC>;
  var state = vec2<f32>(kMasked, 0.0);   // of row thread / 2
  for (var first = begin; first < end; first += i32(KEYS)) {
    store_scores(place, first, thread, tile_dots(place, first, thread));
    workgroupBarrier();
    state = tile_softmax(state, thread);
    workgroupBarrier();
    add_values(place, first, thread, &acc);
  }
  workgroupBarrier();
  halves[thread] = state.y;
  if (thread % 2u == 0u) { row_value[thread / 2u] = state.x; }
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    var row: array<vec4<f32>, CPT>;
    for (var c = 0u; c < CPT; c++) { row[c] = acc[i * CPT + c]; }
    store_row(place, thread / 8u + 16u * i, thread, row);
  }
}
