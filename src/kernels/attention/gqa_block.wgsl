// What the prefill kernels share: a workgroup takes a block of ROWS rows of one KV head over one split of its keys.
#include "kernels/common/flat_id.wgsl"
#include "kernels/attention/gqa_common.wgsl"
#include "kernels/attention/gqa_score.wgsl"

const COLS = D / 4u;

@group(0) @binding(AT_Q) var<storage, read> query: array<vec4<T>>;
@group(0) @binding(AT_KCACHE) var<storage, read> key_cache: array<vec4<T>>;
@group(0) @binding(AT_VCACHE) var<storage, read> value_cache: array<vec4<T>>;
#if SPLIT
@group(0) @binding(AT_SUMS) var<storage, read_write> sums: array<vec4<f32>>;
@group(0) @binding(AT_STATS) var<storage, read_write> stats: array<vec2<f32>>;
#else
#include "kernels/attention/gqa_output.wgsl"
#endif

struct Place {
  cache_head: u32,   // b * kv_heads + kv_head
  b: u32,
  kv_head: u32,
  first_row: u32,
  split: u32,
  cache: u32,        // vec4 where the head's cache begins
  begin: i32,        // of the keys
  end: i32,          // exclusive; not beyond `begin` where the split has none
}

fn place_of(flat: u32) -> Place {
  let split = flat % params.splits;
  let heads = params.workgroups / (params.splits * params.blocks);   // of all sequences
  let head = flat / params.splits % heads;
  // Later rows see more keys: those of all heads start first, so that what is left for the end is short.
  let block = params.blocks - 1u - flat / params.splits / heads;
  let b = head / params.kv_heads;
  let keys = block_keys(b, block);
  let begin = keys.first + i32(split) * keys.chunk;
  return Place(head, b, head % params.kv_heads, block * ROWS, split, head * params.capacity * COLS, begin,
               min(begin + keys.chunk, keys.last));
}

// Whether nobody waits for what the workgroup finds.
fn is_idle(place: Place) -> bool {
#if SPLIT
  return place.begin >= place.end;
#else
  return false;
#endif
}

// vec4 where the query of row r of the block begins; that of the last row beyond it.
fn query_base(place: Place, r: u32) -> u32 {
  let row = min(place.first_row + r, params.rows - 1u);
  return (place.b * params.seq + row / params.group) * (params.q_stride / 4u) +
         (place.kv_head * params.group + row % params.group) * COLS;
}

// Whether every row sees every key of the tile.
fn sees_all(place: Place, first: i32) -> bool {
  let past = past_length(place.b);
  let last_row = min(place.first_row + ROWS, params.rows) - 1u;
  return first + i32(KEYS) <= min(last_key(place.b, past, place.first_row / params.group), place.end) &&
         first >= first_key(past, last_row / params.group);
}

// What a row's scores depend on.
struct View {
  first: i32,    // keys seen
  last: i32,
  bias_at: u32,
}

fn view_of(place: Place, r: u32) -> View {
  let past = past_length(place.b);
  let row = min(place.first_row + r, params.rows - 1u);
  let s = row / params.group;
  return View(first_key(past, s), min(last_key(place.b, past, s), place.end), bias_offset(place.b, place.kv_head, row));
}

fn view_score(view: View, dot: f32, key: i32) -> f32 {
  return score(dot * params.scale, key >= view.first && key < view.last, view.bias_at, key);
}

// Stores column c (of vec4) of row r, of which m is the maximum and l the sum of the weights.
fn store_column(place: Place, r: u32, c: u32, value: vec4<f32>, m: f32, l: f32) {
  let row = place.first_row + r;
  if (row >= params.rows || c >= COLS) { return; }
#if SPLIT
  let at = (place.cache_head * params.rows + row) * params.splits + place.split;
  if (c == 0u) { stats[at] = vec2<f32>(m, l); }
  sums[at * COLS + c] = value;
#else
  let head = place.kv_head * params.group + row % params.group;
  let at = ((place.b * params.seq + row / params.group) * params.heads + head) * COLS;
  write_output(at + c, value * finish_factor(m, l, head));
#endif
}
