// scores = mask(softcap(scale q.k)) for 16 rows and 16 keys of one KV head in a workgroup, one score a thread. A row is
// one (query token, query head of the KV head's group): row = token * group + head in group. Rows and keys pass through
// workgroup memory 16 columns at a time.
#include "kernels/common/flat_id.wgsl"

const TILE = 16u;

struct Params {
  seq: u32,          // query tokens in all
  first: u32,        // token of row 0 of this dispatch
  rows: u32,         // of this dispatch, of one KV head
  keys: u32,
  heads: u32,
  kv_heads: u32,
  size: u32,         // elements of a key
  capacity: u32,
  q_offset: u32,
  q_batch: u32,
  q_token: u32,
  q_head: u32,
  mask_batch: u32,   // strides in elements, 0 where the mask repeats
  mask_head: u32,
  mask_row: u32,
  mask_key: u32,
  mask_keys: u32,    // keys beyond are hidden
  pad_batch: u32,
  pad_row: u32,
  past: i32,
  length_bias: i32,
  window: u32,
  scale: f32,
  softcap: f32,
  padding_score: f32,
  hidden: f32,
  row_tiles: u32,
  workgroups: u32,
  ahead: i32,
}

@group(0) @binding(AT_Q) var<storage, read> query: array<T>;
@group(0) @binding(AT_K) var<storage, read> key: array<T>;
#if HAS_LEN
@group(0) @binding(AT_LEN) var<storage, read> lengths: array<i32>;
#endif
#if HAS_MASK
@group(0) @binding(AT_MASK) var<storage, read> mask: array<M>;
#endif
#if HAS_PAD
@group(0) @binding(AT_PAD) var<storage, read> padding: array<i32>;
#endif
@group(0) @binding(AT_SCORES) var<storage, read_write> scores: array<f32>;
#if HAS_QK
@group(0) @binding(AT_QK) var<storage, read_write> qk: array<T>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

const kMasked = -3.4e38;

var<workgroup> q_tile: array<f32, TILE * (TILE + 1u)>;
var<workgroup> k_tile: array<f32, TILE * (TILE + 1u)>;

// Which row and key a thread computes.
struct Place {
  b: u32,
  head: u32,    // of the query
  token: u32,
  key: u32,
}

// The keys [x, y) that a row may see, before masks.
fn seen_keys(place: Place) -> vec2<i32> {
  var total = i32(params.keys);
#if HAS_LEN
  total = clamp(lengths[place.b] + params.length_bias, 0, i32(params.keys));
#endif
  var past = params.past;
#if PAST_OF == 1
  past = max(total - i32(params.seq), 0);
#elif PAST_OF == 2
  past = total - i32(params.seq);
#endif
  var first = 0;
#if CAUSAL
  let last = past + i32(place.token) + 1 + params.ahead;
  if (params.window > 0u) { first = max(0, last - i32(params.window)); }
  total = clamp(last, 0, total);
#endif
  return vec2<i32>(first, total);
}

#if HAS_MASK
fn mask_at(place: Place) -> u32 {
  return place.b * params.mask_batch + place.head * params.mask_head + place.token * params.mask_row +
         place.key * params.mask_key;
}
#endif

fn is_visible(place: Place) -> bool {
  let seen = seen_keys(place);
  var visible = i32(place.key) >= seen.x && i32(place.key) < seen.y;
#if HAS_MASK
  visible = visible && place.key < params.mask_keys;
#if MASK_BOOL
  if (visible) { visible = mask[mask_at(place)] != 0u; }
#endif
#endif
  return visible;
}

// What masks add to the score of a key that is visible.
fn mask_score(place: Place) -> f32 {
  var sum = 0.0;
#if HAS_MASK && !MASK_BOOL
  sum += f32(mask[mask_at(place)]);
#endif
#if HAS_PAD
#if PAD_LENGTHS
  if (i32(place.key) >= padding[place.b]) { sum += params.padding_score; }
#else
  let at = place.b * params.pad_batch + place.token * params.pad_row + place.key;
  if (padding[at] == 0) { sum += params.padding_score; }
#endif
#endif
  return sum;
}

#if HAS_QK
fn store_qk(place: Place, value: f32) {
  qk[((place.b * params.heads + place.head) * params.seq + place.token) * params.keys + place.key] = T(value);
}
#endif

fn store(place: Place, at: u32, dot: f32) {
  var value = dot * params.scale;
#if HAS_QK && QK == 0
  store_qk(place, value);
#endif
#if SOFTCAP
  // Some drivers' tanh overflows for large arguments; beyond 20 it is 1 in f32.
  value = params.softcap * tanh(clamp(value / params.softcap, -20.0, 20.0));
#endif
#if HAS_QK && QK == 1
  store_qk(place, value);
#endif
  if (is_visible(place)) {
    value += mask_score(place);
#if HAS_QK && QK == 2
    store_qk(place, value);
#endif
    scores[at] = value;
  } else {
#if HAS_QK && QK == 2
    store_qk(place, params.hidden);
#endif
    scores[at] = kMasked;
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let key_tiles = (params.keys + TILE - 1u) / TILE;
  let kv = flat / (key_tiles * params.row_tiles);   // b * kv_heads + kv_head
  let b = kv / params.kv_heads;
  let group = params.heads / params.kv_heads;
  let x = thread % TILE;
  let y = thread / TILE;
  let first_row = flat / key_tiles % params.row_tiles * TILE;
  let first_key = flat % key_tiles * TILE;
  // Row y of the tiles is brought by the threads of that y; beyond the end the last one is repeated.
  let brought_row = min(first_row + y, params.rows - 1u);
  let brought_head = kv % params.kv_heads * group + brought_row % group;
  let q_at = params.q_offset + b * params.q_batch + (params.first + brought_row / group) * params.q_token +
             brought_head * params.q_head;
  let k_at = (kv * params.capacity + min(first_key + y, params.keys - 1u)) * params.size;
  var dot = 0.0;
  for (var d = 0u; d < params.size; d += TILE) {
    let column = d + x;
    q_tile[y * (TILE + 1u) + x] = select(0.0, f32(query[q_at + min(column, params.size - 1u)]), column < params.size);
    k_tile[y * (TILE + 1u) + x] = select(0.0, f32(key[k_at + min(column, params.size - 1u)]), column < params.size);
    workgroupBarrier();
    for (var i = 0u; i < TILE; i++) { dot += q_tile[y * (TILE + 1u) + i] * k_tile[x * (TILE + 1u) + i]; }
    workgroupBarrier();
  }
  let row = first_row + y;
  if (row >= params.rows || first_key + x >= params.keys) { return; }
  let place = Place(b, kv % params.kv_heads * group + row % group, params.first + row / group, first_key + x);
  store(place, (kv * params.rows + row) * params.keys + place.key, dot);
}
