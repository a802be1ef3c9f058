// out = softmax(scale q.k) v for few rows: a workgroup takes ROWS rows of one KV head over one split of the keys, KEYS
// at a time. Flash-decoding (Dao et al., 2023): the rows share all keys and values read; splits meet in gqa_combine.
// Scores: LANES threads a key, then summed in workgroup memory. Values: COLS threads a value, SUBSETS values at once.
#include "kernels/common/flat_id.wgsl"
#include "kernels/attention/gqa_common.wgsl"
#include "kernels/attention/gqa_score.wgsl"

const COLS = D / 4u;
const KEYS = WG / LANES;
const STEPS = COLS / LANES;
const SUBSETS = WG / COLS;
const PER_SUBSET = (KEYS + SUBSETS - 1u) / SUBSETS;
const MAX_PARTS = 8u;

@group(0) @binding(AT_Q) var<storage, read> query: array<vec4<T>>;
@group(0) @binding(AT_K) var<storage, read> key_cache: array<vec4<T>>;
@group(0) @binding(AT_V) var<storage, read> value_cache: array<vec4<T>>;
#if SPLIT
@group(0) @binding(AT_SUMS) var<storage, read_write> sums: array<f32>;
@group(0) @binding(AT_STATS) var<storage, read_write> stats: array<vec2<f32>>;
#else
@group(0) @binding(AT_OUT) var<storage, read_write> output: array<T>;
#endif

var<workgroup> q_rows: array<vec4<f32>, ROWS * COLS>;
var<workgroup> row_keys: array<vec2<i32>, ROWS>;         // the keys [x, y) that each row sees
var<workgroup> partial: array<f32, WG * max(ROWS, 4u)>;
var<workgroup> weights: array<f32, ROWS * KEYS>;         // scores, then exp(score - max)
var<workgroup> part_max: array<f32, ROWS * MAX_PARTS>;
var<workgroup> row_max: array<f32, 2u * ROWS>;           // before a tile and with it; the halves take turns
var<workgroup> row_scale: array<f32, ROWS>;              // exp(old max - new max)
var<workgroup> row_sum: array<f32, ROWS>;

fn load_rows(b: u32, kv_head: u32, first_row: u32, thread: u32) {
  for (var i = thread; i < ROWS * COLS; i += WG) {
    let row = first_row + i / COLS;
    var q = vec4<f32>(0.0);
    if (row < params.rows) {
      let head = kv_head * params.group + row % params.group;
      let token = b * params.seq + row / params.group;
      q = vec4<f32>(query[token * params.q_stride + head * COLS + i % COLS]) * params.scale;
    }
    q_rows[i] = q;
  }
  if (thread < ROWS) {
    let row = first_row + thread;
    let past = past_length(b);
    let s = row / params.group;
    row_keys[thread] = select(vec2<i32>(0), vec2<i32>(first_key(past, s), last_key(b, past, s)), row < params.rows);
    row_max[thread] = kMasked;
  }
}

// Sums the lanes of each (row, key) into a score.
fn reduce_scores(b: u32, kv_head: u32, first_row: u32, first: i32, end: i32, thread: u32) {
  for (var i = thread; i < ROWS * KEYS; i += WG) {
    let r = i / KEYS;
    let key = i % KEYS;
    var dot = 0.0;
    for (var lane = 0u; lane < LANES; lane++) { dot += partial[r * WG + key * LANES + lane]; }
    let j = first + i32(key);
    let seen = row_keys[r];
    weights[i] = score(dot, j < end && j >= seen.x && j < seen.y, bias_offset(b, kv_head, first_row + r), j);
  }
}

fn reduce_max(thread: u32) {
  if (thread < ROWS * MAX_PARTS) {
    let base = thread / MAX_PARTS * KEYS + thread % MAX_PARTS;
    var m = weights[base];
    for (var i = MAX_PARTS; i < KEYS; i += MAX_PARTS) { m = max(m, weights[base + i]); }
    part_max[thread] = m;
  }
}

fn exponentiate(turn: u32, thread: u32) {
  for (var i = thread; i < ROWS * KEYS; i += WG) {
    let r = i / KEYS;
    let old = row_max[turn * ROWS + r];
    var m = old;
    for (var part = 0u; part < MAX_PARTS; part++) { m = max(m, part_max[r * MAX_PARTS + part]); }
    weights[i] = weight(weights[i], m);
    if (i % KEYS == 0u) {
      row_max[(1u - turn) * ROWS + r] = m;
      row_scale[r] = exp(old - m);
    }
  }
}

fn store_row(place: Place, r: u32, d: u32, m: f32, value: f32) {
  let row = place.block * ROWS + r;
  if (row >= params.rows) { return; }
#if SPLIT
  let at = (place.head * params.rows + row) * params.splits + place.split;
  sums[at * D + d] = value;
  if (d == 0u) { stats[at] = vec2<f32>(m, row_sum[r]); }
#else
  let head = place.kv_head * params.group + row % params.group;
  let token = place.b * params.seq + row / params.group;
  output[(token * params.heads + head) * D + d] = T(value * finish_factor(m, row_sum[r], head));
#endif
}

struct Place {
  head: u32,      // b * kv_heads + kv_head
  b: u32,
  kv_head: u32,
  block: u32,
  split: u32,
}

alias Sums = array<vec4<f32>, ROWS>;
alias Weights = array<f32, ROWS>;

// Partial q.k of this thread's key and lane with every row.
fn multiply_keys(k: array<vec4<T>, STEPS>, thread: u32) {
  var keys = k;   // WGSL indexes only variables by a variable
  let lane = thread % LANES;
  for (var r = 0u; r < ROWS; r++) {
    var sum = 0.0;
    for (var i = 0u; i < STEPS; i++) { sum += dot(q_rows[r * COLS + i * LANES + lane], vec4<f32>(keys[i])); }
    partial[r * WG + thread] = sum;
  }
}

// acc = acc * rescale + weights * values of this thread's subset of the tile's keys; sum likewise without the values.
fn add_values(v: array<vec4<T>, PER_SUBSET>, thread: u32, acc: ptr<function, Sums>, sum: ptr<function, Weights>) {
  var values = v;
  for (var r = 0u; r < ROWS; r++) {
    (*acc)[r] *= row_scale[r];
    (*sum)[r] *= row_scale[r];
  }
  for (var i = 0u; i < PER_SUBSET; i++) {
    let key = thread / COLS + i * SUBSETS;
    if (key >= KEYS) { break; }
    let value = vec4<f32>(values[i]);
    for (var r = 0u; r < ROWS; r++) {
      let w = weights[r * KEYS + key];
      (*acc)[r] += w * value;
      (*sum)[r] += w;
    }
  }
}

// Adds up the subsets' weights.
fn reduce_sums(sum: Weights, thread: u32) {
  var values = sum;
  for (var r = 0u; r < ROWS; r++) { partial[r * WG + thread] = values[r]; }
  workgroupBarrier();
  if (thread < ROWS) {
    var total = 0.0;
    for (var i = 0u; i < SUBSETS; i++) { total += partial[thread * WG + i * COLS]; }
    row_sum[thread] = total;
  }
  workgroupBarrier();
}

// Adds up one row of the subsets' values: element `thread` of the head, for threads below D.
fn reduce_values(value: vec4<f32>, thread: u32) -> f32 {
  workgroupBarrier();
  partial[thread] = value.x;
  partial[WG + thread] = value.y;
  partial[2u * WG + thread] = value.z;
  partial[3u * WG + thread] = value.w;
  workgroupBarrier();
  var total = 0.0;
  if (thread < D) {
    for (var i = 0u; i < SUBSETS; i++) { total += partial[thread % 4u * WG + i * COLS + thread / 4u]; }
  }
  return total;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let head = flat / (params.splits * params.blocks);
  let place = Place(head, head / params.kv_heads, head % params.kv_heads, flat / params.splits % params.blocks,
                    flat % params.splits);
  let keys = block_keys(place.b, place.block);
  let begin = keys.first + i32(place.split) * keys.chunk;
  let end = min(begin + keys.chunk, keys.last);
#if SPLIT
  if (begin >= end) { return; }
#endif
  load_rows(place.b, place.kv_head, place.block * ROWS, thread);
  workgroupBarrier();

  let cache = head * params.capacity * COLS;
  var acc: Sums;
  var sum: Weights;
  var turn = 0u;
  for (var first = begin; first < end; first += i32(KEYS)) {
    // All loads of a tile are issued before any is used. Beyond the end memory is undefined: the last key is repeated.
    var k: array<vec4<T>, STEPS>;
    let k_at = cache + u32(min(first + i32(thread / LANES), end - 1)) * COLS + thread % LANES;
    for (var i = 0u; i < STEPS; i++) { k[i] = key_cache[k_at + i * LANES]; }
    var v: array<vec4<T>, PER_SUBSET>;
    for (var i = 0u; i < PER_SUBSET; i++) {
      let key = min(first + i32(thread / COLS + i * SUBSETS), end - 1);
      v[i] = value_cache[cache + u32(key) * COLS + thread % COLS];
    }
    multiply_keys(k, thread);
    workgroupBarrier();
    reduce_scores(place.b, place.kv_head, place.block * ROWS, first, end, thread);
    workgroupBarrier();
    reduce_max(thread);
    workgroupBarrier();
    exponentiate(turn, thread);
    turn = 1u - turn;
    workgroupBarrier();
    add_values(v, thread, &acc, &sum);
  }
  reduce_sums(sum, thread);
  for (var r = 0u; r < ROWS; r++) {
    let value = reduce_values(acc[r], thread);
    if (thread < D) { store_row(place, r, thread, row_max[turn * ROWS + r], value); }
  }
}
