// out = softmax(scale q.k) v for few rows: one workgroup takes ROWS rows of one KV head over one split of the keys, KEYS at a time.
// Flash-decoding (Dao et al., 2023): the rows of a group share every key and value that is read; splits meet in gqa_combine.
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
var<workgroup> row_max: array<f32, 2u * ROWS>;           // of the tiles before, and with this one; the halves take turns
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
    weights[i] = score(dot, j < end && j >= seen.x && j < seen.y, bias_offset(b, kv_head, first_row + r) + u32(j));
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
  let first_row = place.block * ROWS;
  load_rows(place.b, place.kv_head, first_row, thread);
  workgroupBarrier();

  let cache = head * params.capacity * COLS;
  let key = thread / LANES;
  let lane = thread % LANES;
  let subset = thread / COLS;
  let col = thread % COLS;
  var acc: array<vec4<f32>, ROWS>;
  var sum: array<f32, ROWS>;
  var turn = 0u;
  for (var first = begin; first < end; first += i32(KEYS)) {
    // All of the tile's loads are issued before any is used. Keys beyond the end repeat the last: beyond it memory is undefined.
    var k: array<vec4<T>, STEPS>;
    let k_at = cache + u32(min(first + i32(key), end - 1)) * COLS + lane;
    for (var i = 0u; i < STEPS; i++) { k[i] = key_cache[k_at + i * LANES]; }
    var v: array<vec4<T>, PER_SUBSET>;
    for (var i = 0u; i < PER_SUBSET; i++) {
      v[i] = value_cache[cache + u32(min(first + i32(subset + i * SUBSETS), end - 1)) * COLS + col];
    }
    for (var r = 0u; r < ROWS; r++) {
      var dot_sum = 0.0;
      for (var i = 0u; i < STEPS; i++) { dot_sum += dot(q_rows[r * COLS + i * LANES + lane], vec4<f32>(k[i])); }
      partial[r * WG + thread] = dot_sum;
    }
    workgroupBarrier();
    reduce_scores(place.b, place.kv_head, first_row, first, end, thread);
    workgroupBarrier();
    reduce_max(thread);
    workgroupBarrier();
    exponentiate(turn, thread);
    turn = 1u - turn;
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
      acc[r] *= row_scale[r];
      sum[r] *= row_scale[r];
    }
    for (var i = 0u; i < PER_SUBSET; i++) {
      let at = subset + i * SUBSETS;
      if (at >= KEYS) { break; }
      let value = vec4<f32>(v[i]);
      for (var r = 0u; r < ROWS; r++) {
        let w = weights[r * KEYS + at];
        acc[r] += w * value;
        sum[r] += w;
      }
    }
  }

  // Add the subsets up.
  for (var r = 0u; r < ROWS; r++) { partial[r * WG + thread] = sum[r]; }
  workgroupBarrier();
  if (thread < ROWS) {
    var total = 0.0;
    for (var i = 0u; i < SUBSETS; i++) { total += partial[thread * WG + i * COLS]; }
    row_sum[thread] = total;
  }
  for (var r = 0u; r < ROWS; r++) {
    workgroupBarrier();
    for (var c = 0u; c < 4u; c++) { partial[c * WG + thread] = acc[r][c]; }
    workgroupBarrier();
    if (thread < D) {
      var total = 0.0;
      for (var i = 0u; i < SUBSETS; i++) { total += partial[thread % 4u * WG + i * COLS + thread / 4u]; }
      store_row(place, r, thread, row_max[turn * ROWS + r], total);
    }
  }
}
