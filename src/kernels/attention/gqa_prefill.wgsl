// out = softmax(scale q.k) v for many rows: flash attention (Dao, 2023). One workgroup takes 64 rows of one KV head and walks over
// the keys it may see (or one split of them) in tiles of 32. A thread holds 4 x 4 scores, then 4 rows x CPT vec4s of the output.
// Queries, keys and values pass through one small tile of workgroup memory in f32, a few columns or keys at a time.
#include "kernels/common/flat_id.wgsl"
#include "kernels/attention/gqa_common.wgsl"
#include "kernels/attention/gqa_score.wgsl"

const WG = 128u;
const ROWS = 64u;
const KEYS = 32u;
const COLS = D / 4u;
const CPT = (COLS + 7u) / 8u;     // output columns (vec4) of a thread
const K_TILE = 4u * ROWS;         // where keys begin in the tile, after 4 columns of queries
const TILE = K_TILE + 4u * KEYS;
const P_STRIDE = KEYS + 1u;       // odd: rows fall into different banks

@group(0) @binding(AT_Q) var<storage, read> query: array<vec4<T>>;
@group(0) @binding(AT_K) var<storage, read> key_cache: array<vec4<T>>;
@group(0) @binding(AT_V) var<storage, read> value_cache: array<vec4<T>>;
#if SPLIT
@group(0) @binding(AT_SUMS) var<storage, read_write> sums: array<vec4<f32>>;
@group(0) @binding(AT_STATS) var<storage, read_write> stats: array<vec2<f32>>;
#else
@group(0) @binding(AT_OUT) var<storage, read_write> output: array<vec4<T>>;
#endif

var<workgroup> tile: array<vec4<f32>, TILE + 8u>;   // 8 more: a thread's unused last columns may read beyond the values
var<workgroup> weights: array<f32, ROWS * P_STRIDE>;
var<workgroup> row_value: array<f32, ROWS>;         // exp(old max - new max); at the end the max
var<workgroup> halves: array<f32, WG>;              // of the two threads of a row

fn mad(a: vec4<f32>, b: vec4<f32>, c: f32) -> f32 {
  return a.x * b.x + (a.y * b.y + (a.z * b.z + (a.w * b.w + c)));
}

fn query_base(b: u32, kv_head: u32, row: u32) -> u32 {
  let clamped = min(row, params.rows - 1u);
  return (b * params.seq + clamped / params.group) * params.q_stride +
         (kv_head * params.group + clamped % params.group) * COLS;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let split = flat % params.splits;
  // Later rows see more keys: they start first.
  let block = params.blocks - 1u - flat / params.splits % params.blocks;
  let cache_head = flat / (params.splits * params.blocks);
  let b = cache_head / params.kv_heads;
  let kv_head = cache_head % params.kv_heads;
  let keys = block_keys(b, block);
  let begin = keys.first + i32(split) * keys.chunk;
  let end = min(begin + keys.chunk, keys.last);
#if SPLIT
  if (begin >= end) { return; }
#endif
  let first_row = block * ROWS;
  let past = past_length(b);
  let cache = cache_head * params.capacity * COLS;

  // Loading: this thread brings column thread % 4 of two query rows and one key.
  let q_at = vec2<u32>(query_base(b, kv_head, first_row + thread / 4u), query_base(b, kv_head, first_row + 32u + thread / 4u));
  // Computing: rows row_0 + 16 i, keys key_0 + 8 i, output columns key_0 + 8 i.
  let row_0 = thread / 8u;
  let key_0 = thread % 8u;
  var seen: array<vec2<i32>, 4>;
  var bias_at: array<u32, 4>;
  for (var i = 0u; i < 4u; i++) {
    let row = first_row + row_0 + 16u * i;
    let s = row / params.group;
    seen[i] = vec2<i32>(first_key(past, s), last_key(b, past, s));
    bias_at[i] = bias_offset(b, kv_head, min(row, params.rows - 1u));
  }
  var acc: array<vec4<f32>, 4u * CPT>;
  var m = kMasked;   // of row thread / 2, as seen so far
  var l = 0.0;       // of this thread's half of that row
  for (var first = begin; first < end; first += i32(KEYS)) {
    let k_at = cache + u32(min(first + i32(thread / 4u), end - 1)) * COLS;
    var dots = array<f32, 16>();
    for (var c0 = 0u; c0 < COLS; c0 += 4u) {
      let c = c0 + thread % 4u;
      var q_first = vec4<f32>(0.0);
      var q_second = vec4<f32>(0.0);
      var k_value = vec4<f32>(0.0);
      if (c < COLS) {
        q_first = vec4<f32>(query[q_at.x + c]);
        q_second = vec4<f32>(query[q_at.y + c]);
        k_value = vec4<f32>(key_cache[k_at + c]);
      }
      workgroupBarrier();
      tile[thread % 4u * ROWS + thread / 4u] = q_first;
      tile[thread % 4u * ROWS + thread / 4u + 32u] = q_second;
      tile[K_TILE + thread % 4u * KEYS + thread / 4u] = k_value;
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
    for (var i = 0u; i < 4u; i++) {
      for (var j = 0u; j < 4u; j++) {
        let key = first + i32(key_0 + 8u * j);
        let visible = key < end && key >= seen[i].x && key < seen[i].y;
        weights[(row_0 + 16u * i) * P_STRIDE + key_0 + 8u * j] =
            score(dots[4u * i + j] * params.scale, visible, bias_at[i] + u32(key));
      }
    }
    workgroupBarrier();

    // Softmax: two threads a row, 16 keys each.
    let half_at = thread / 2u * P_STRIDE + thread % 2u * 16u;
    var top = weights[half_at];
    for (var i = 1u; i < 16u; i++) { top = max(top, weights[half_at + i]); }
    halves[thread] = top;
    workgroupBarrier();
    let new_m = max(m, max(top, halves[thread ^ 1u]));
    let rescale = exp(m - new_m);
    l *= rescale;
    for (var i = 0u; i < 16u; i++) {
      let w = weight(weights[half_at + i], new_m);
      weights[half_at + i] = w;
      l += w;
    }
    m = new_m;
    if (thread % 2u == 0u) { row_value[thread / 2u] = rescale; }
    workgroupBarrier();

    for (var i = 0u; i < 4u; i++) {
      for (var c = 0u; c < CPT; c++) { acc[i * CPT + c] *= row_value[row_0 + 16u * i]; }
    }
    for (var v0 = 0u; v0 < KEYS; v0 += V_KEYS) {
      let v_first = u32(first) + v0;
      for (var i = thread; i < V_KEYS * COLS; i += WG) {
        // Beyond the end memory is undefined, and 0 * NaN is NaN.
        var value = vec4<f32>(0.0);
        if (v_first + i / COLS < u32(end)) { value = vec4<f32>(value_cache[cache + v_first * COLS + i]); }
        tile[i] = value;
      }
      workgroupBarrier();
      for (var key = 0u; key < V_KEYS; key++) {
        var w: vec4<f32>;
        for (var i = 0u; i < 4u; i++) { w[i] = weights[(row_0 + 16u * i) * P_STRIDE + v0 + key]; }
        for (var c = 0u; c < CPT; c++) {
          let value = tile[key * COLS + key_0 + 8u * c];
          for (var i = 0u; i < 4u; i++) { acc[i * CPT + c] += w[i] * value; }
        }
      }
      workgroupBarrier();
    }
  }

  workgroupBarrier();
  halves[thread] = l;
  if (thread % 2u == 0u) { row_value[thread / 2u] = m; }
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    let r = row_0 + 16u * i;
    let row = first_row + r;
    if (row >= params.rows) { continue; }
    let row_m = row_value[r];
    let row_l = halves[2u * r] + halves[2u * r + 1u];
#if SPLIT
    let at = (cache_head * params.rows + row) * params.splits + split;
    if (key_0 == 0u) { stats[at] = vec2<f32>(row_m, row_l); }
    let out_at = at * COLS;
    let factor = 1.0;
#else
    let head = kv_head * params.group + row % params.group;
    let out_at = ((b * params.seq + row / params.group) * params.heads + head) * COLS;
    let factor = finish_factor(row_m, row_l, head);
#endif
    for (var c = 0u; c < CPT; c++) {
      if (key_0 + 8u * c >= COLS) { continue; }
#if SPLIT
      sums[out_at + key_0 + 8u * c] = acc[i * CPT + c] * factor;
#else
      output[out_at + key_0 + 8u * c] = vec4<T>(acc[i * CPT + c] * factor);
#endif
    }
  }
}
