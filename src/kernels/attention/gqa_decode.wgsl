// out = softmax(scale q.k) v for few rows: a workgroup takes ROWS rows of one KV head over one split of the keys.
// Flash-decoding (Dao et al., 2023), here within the workgroup too: teams of LANES threads take the keys in turn, each
// with a maximum, a sum and an output of its own, so that the loop over the keys needs no barrier. A thread holds eight
// columns of the queries, keys, values and output; a team takes four keys at a time, and loads the next four with their
// values before it uses them. The teams meet at the end, the splits in gqa_combine.wgsl.
//
// With TURN there is one new token, and the projections' outputs are read: every workgroup norms and rotates its own
// queries and the new key, which costs less than a dispatch. Split 0 of a head's first block alone writes the cache's
// new rows, which nobody reads; its first team adds the new key from workgroup memory.
#include "kernels/common/flat_id.wgsl"
#include "kernels/attention/gqa_common.wgsl"
#include "kernels/attention/gqa_score.wgsl"
#include "kernels/attention/gqa_team.wgsl"
#if TURN
#include "kernels/attention/gqa_turn.wgsl"
#else
@group(0) @binding(AT_Q) var<storage, read> query: array<vec4<T>>;
#endif

const COLS = D / 4u;
const UNITS = D / 8u;            // eights of a head: one a thread; in the last threads of a team there may be none
const TEAMS = WG / LANES;
const PARTIES = TEAMS / JOINED;  // what is left of the teams when each JOINED of a subgroup have met
const MERGED = min(ROWS, 512u / (PARTIES * 2u * LANES));   // rows of which these meet at a time

#if HALF
alias Unit8 = vec4<u32>;         // as they lie in the cache
#else
struct Unit8 {
  a: vec4<f32>,
  b: vec4<f32>,
}
#endif

#if TURN
@group(0) @binding(AT_KCACHE) var<storage, read_write> key_cache: array<Unit8>;
@group(0) @binding(AT_VCACHE) var<storage, read_write> value_cache: array<Unit8>;
#else
@group(0) @binding(AT_KCACHE) var<storage, read> key_cache: array<Unit8>;
@group(0) @binding(AT_VCACHE) var<storage, read> value_cache: array<Unit8>;
#endif
#if SPLIT
@group(0) @binding(AT_SUMS) var<storage, read_write> sums: array<vec4<f32>>;
@group(0) @binding(AT_STATS) var<storage, read_write> stats: array<vec2<f32>>;
#else
#include "kernels/attention/gqa_output.wgsl"
#endif

var<workgroup> merged: array<vec4<f32>, MERGED * PARTIES * 2u * LANES>;
var<workgroup> party_values: array<f32, PARTIES * ROWS>;
var<workgroup> row_max: array<f32, ROWS>;
var<workgroup> row_sum: array<f32, ROWS>;

// Eight columns of a key or value, and of all rows.
struct Eight {
  a: vec4<f32>,
  b: vec4<f32>,
}

struct RowEights {
  a: RowColumns,
  b: RowColumns,
}

// What a team takes at a time.
struct Tile {
  x: Unit8,
  y: Unit8,
  z: Unit8,
  w: Unit8,
}

struct Place {
  head: u32,      // b * kv_heads + kv_head
  b: u32,
  kv_head: u32,
  block: u32,
  split: u32,
  begin: i32,     // keys of the split
  end: i32,
}

fn place_of(flat: u32) -> Place {
  let head = flat / (params.splits * params.blocks);
  return Place(head, head / params.kv_heads, head % params.kv_heads, flat / params.splits % params.blocks,
               flat % params.splits, 0, 0);
}

fn query_head(place: Place, row: u32) -> u32 { return place.kv_head * params.group + row % params.group; }

#if HALF
fn unpack(unit: Unit8) -> Eight {
  return Eight(vec4<f32>(unpack2x16float(unit.x), unpack2x16float(unit.y)),
               vec4<f32>(unpack2x16float(unit.z), unpack2x16float(unit.w)));
}

fn pack(x: Eight) -> Unit8 {
  return Unit8(pack2x16float(x.a.xy), pack2x16float(x.a.zw), pack2x16float(x.b.xy), pack2x16float(x.b.zw));
}
#else
fn unpack(unit: Unit8) -> Eight { return Eight(unit.a, unit.b); }

fn pack(x: Eight) -> Unit8 { return Unit8(x.a, x.b); }
#endif

#if TURN
const NEW_KEY = ROWS * D;
const NEW_VALUE = NEW_KEY + D;

var<workgroup> turned: array<f32, ROWS * D + 2u * D>;   // the block's queries, the new key, the new value
var<private> first_head: u32;

fn store(unit: Unit, d: u32, value: f32) {
  var at = (unit.head - first_head) * D;
  if (unit.kind == kKey) { at = NEW_KEY; }
  if (unit.kind == kValue) { at = NEW_VALUE; }
  turned[at + d] = f32(T(value));   // as it is when it comes from the cache
}

fn turned_vec4(at: u32) -> vec4<f32> {
  return vec4<f32>(turned[at], turned[at + 1u], turned[at + 2u], turned[at + 3u]);
}

fn turned_eight(at: u32) -> Eight { return Eight(turned_vec4(at), turned_vec4(at + 4u)); }

// Turns the block's queries and the new key.
fn turn_all(place: Place, thread: u32) {
  first_head = place.kv_head * params.group + place.block * ROWS;
  let past = u32(past_length(place.b));
  let index = thread / HEAD_LANES;
  var unit = Unit(kQuery, place.b, min(first_head + index, params.heads - 1u), past);
  if (index >= ROWS) { unit = Unit(min(kKey + index - ROWS, kValue), place.b, place.kv_head, past); }
  turn(unit, index < ROWS + 2u && (index >= ROWS || place.block * ROWS + index < params.rows), thread);
  workgroupBarrier();
}

fn append(place: Place, thread: u32) {
  let row = u32(past_length(place.b));
  // A row past the end would fall into the next head.
  if (place.split > 0u || place.block > 0u || thread >= UNITS || row >= params.capacity) { return; }
  let at = (place.head * params.capacity + row) * UNITS + thread;
  key_cache[at] = pack(turned_eight(NEW_KEY + 8u * thread));
  value_cache[at] = pack(turned_eight(NEW_VALUE + 8u * thread));
}
#endif

// Columns 4 i and on of a row's query, times the scale.
fn load_query(place: Place, r: u32, i: u32) -> vec4<f32> {
  let row = place.block * ROWS + r;
  if (row >= params.rows) { return vec4<f32>(0.0); }
#if TURN
  return turned_vec4(r * D + 4u * i) * params.scale;
#else
  let at = (place.b * params.seq + row / params.group) * (params.q_stride / 4u) + query_head(place, row) * COLS;
  return vec4<f32>(query[at + i]) * params.scale;
#endif
}

fn load_rows(place: Place, i: u32) -> RowColumns {
#if ROWS == 4
  return RowColumns(load_query(place, 0u, i), load_query(place, 1u, i), load_query(place, 2u, i),
                    load_query(place, 3u, i));
#elif ROWS == 2
  return RowColumns(load_query(place, 0u, i), load_query(place, 1u, i));
#else
  return load_query(place, 0u, i);
#endif
}

// The unit of lanes beyond the last one is read, and counts as 0 in products.
fn unit_of(lane: u32) -> u32 { return min(lane, UNITS - 1u); }

// Where the thread's unit of key p of its team's four lies. Beyond the end memory is undefined: the last key is
// repeated.
fn unit_at(place: Place, first: i32, p: u32, thread: u32) -> u32 {
  let key = max(min(first + i32(p * TEAMS + thread / LANES), place.end - 1), 0);
  return (place.head * params.capacity + u32(key)) * UNITS + unit_of(thread % LANES);
}

fn load_keys(place: Place, first: i32, thread: u32) -> Tile {
  return Tile(key_cache[unit_at(place, first, 0u, thread)], key_cache[unit_at(place, first, 1u, thread)],
              key_cache[unit_at(place, first, 2u, thread)], key_cache[unit_at(place, first, 3u, thread)]);
}

fn load_values(place: Place, first: i32, thread: u32) -> Tile {
  return Tile(value_cache[unit_at(place, first, 0u, thread)], value_cache[unit_at(place, first, 1u, thread)],
              value_cache[unit_at(place, first, 2u, thread)], value_cache[unit_at(place, first, 3u, thread)]);
}

// q.k of the row that the thread looks after.
fn product(q: RowEights, k: Eight, thread: u32) -> f32 {
  let parts = dot_rows(q.a, k.a) + dot_rows(q.b, k.b);
  return team_sum(select(Rows(), parts, thread % LANES < UNITS), thread);
}

fn add_value(sum: RowEights, weights: Rows, v: Eight) -> RowEights {
  return RowEights(sum.a + spread_rows(v.a, weights), sum.b + spread_rows(v.b, weights));
}

fn store_row(place: Place, r: u32, c: u32, value: vec4<f32>) {
  let row = place.block * ROWS + r;
  if (row >= params.rows) { return; }
#if SPLIT
  let at = (place.head * params.rows + row) * params.splits + place.split;
  sums[at * COLS + c] = value;
  if (c == 0u) { stats[at] = vec2<f32>(row_max[r], row_sum[r]); }
#else
  let head = query_head(place, row);
  let at = ((place.b * params.seq + row / params.group) * params.heads + head) * COLS + c;
  write_output(at, value * finish_factor(row_max[r], row_sum[r], head));
#endif
}

// What a team found: maximum and sum of the row that the thread looks after, output of all rows.
struct State {
  m: f32,
  l: f32,
  sum: RowEights,
}

#if SUBGROUPS
// The state of two teams together. Both have it afterwards.
fn join_pair(x: State, mask: u32, thread: u32) -> State {
  let m = max(x.m, subgroupShuffleXor(x.m, mask));
  let l = x.l * exp(x.m - m);
  let factor = team_rows(exp(x.m - m), thread);
  let a = scale_rows(x.sum.a, factor);
  let b = scale_rows(x.sum.b, factor);
  return State(m, l + subgroupShuffleXor(l, mask),
               RowEights(a + other_row_columns(a, mask), b + other_row_columns(b, mask)));
}
#endif

// The state of the teams of a subgroup together.
fn join_subgroup(x: State, thread: u32) -> State {
  var state = x;
#if JOINED != 1
  state = join_pair(state, LANES, thread);
#endif
#if JOINED == 4 || JOINED == 8
  state = join_pair(state, 2u * LANES, thread);
#endif
#if JOINED == 8
  state = join_pair(state, 4u * LANES, thread);
#endif
  return state;
}

// Maximum and sum of each row out of those of the parties; returns what the thread's must be scaled by.
fn join_parties(m: f32, l: f32, thread: u32) -> f32 {
  let lane = thread % LANES;
  let row = row_of(lane);
  let party = thread / (LANES * JOINED);
  let speaks = thread / LANES % JOINED == 0u && lane % ROW_LANES == 0u;
  if (speaks) { party_values[party * ROWS + row] = m; }
  workgroupBarrier();
  var top = kMasked;
  for (var i = 0u; i < PARTIES; i++) { top = max(top, party_values[i * ROWS + row]); }
  let factor = exp(m - top);
  workgroupBarrier();
  if (speaks) { party_values[party * ROWS + row] = l * factor; }
  if (thread < LANES) { row_max[row] = top; }
  workgroupBarrier();
  if (thread < ROWS) {
    var sum = 0.0;
    for (var i = 0u; i < PARTIES; i++) { sum += party_values[i * ROWS + thread]; }
    row_sum[thread] = sum;
  }
  return factor;
}

// Puts the party's columns of one row where store_merged() finds them.
fn put(slot: u32, a: vec4<f32>, b: vec4<f32>, thread: u32) {
  let at = (slot * PARTIES + thread / (LANES * JOINED)) * 2u * LANES + thread % LANES;
  merged[at] = a;
  merged[at + LANES] = b;
}

// Adds up what the parties have put of rows first, first + 1, ..., and stores it.
fn store_merged(place: Place, first: u32, thread: u32) {
  workgroupBarrier();
  for (var x = thread; x < MERGED * COLS; x += WG) {
    let c = x % COLS;
    let at = x / COLS * PARTIES * 2u * LANES + c / 2u + c % 2u * LANES;
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < PARTIES; i++) { sum += merged[at + i * 2u * LANES]; }
    store_row(place, first + x / COLS, c, sum);
  }
  workgroupBarrier();
}

fn store_rows(place: Place, sum: RowEights, thread: u32) {
  let puts = thread / LANES % JOINED == 0u;
  for (var first = 0u; first < ROWS; first += MERGED) {
    for (var slot = 0u; slot < MERGED; slot++) {
      if (puts) { put(slot, select_row(sum.a, first + slot), select_row(sum.b, first + slot), thread); }
    }
    store_merged(place, first, thread);
  }
}


@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_invocation_id) subgroup_id: u32,
#endif
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
#if SUBGROUPS
  subgroup_lane = subgroup_id;
#endif
  var place = place_of(flat);
  let keys = block_keys(place.b, place.block);
  if (place.split >= max(used_splits(keys), 1u)) { return; }
  place.begin = keys.first + i32(place.split) * keys.chunk;
  place.end = min(place.begin + keys.chunk, keys.last);
  let team = thread / LANES;
  let lane = thread % LANES;
  let row = min(place.block * ROWS + row_of(lane), params.rows - 1u);
  let past = past_length(place.b);
  let bias_at = bias_offset(place.b, place.kv_head, row);

  // In flight while the queries are turned, and then while the tile before is computed.
  var next_k = load_keys(place, place.begin, thread);
  var next_v = load_values(place, place.begin, thread);
  var sum = RowEights();
#if TURN
  turn_all(place, thread);
  append(place, thread);
  let q = RowEights(load_rows(place, 2u * unit_of(lane)), load_rows(place, 2u * unit_of(lane) + 1u));
  let owns = place.split == 0u && team == 0u;
  var m = score(product(q, turned_eight(NEW_KEY + 8u * unit_of(lane)), thread), owns && seqlens[place.b] >= 0, bias_at,
                past);
  var l = weight(m, m);
  let new_weights = team_rows(l, thread);
  if (owns) { sum = add_value(sum, new_weights, turned_eight(NEW_VALUE + 8u * unit_of(lane))); }
  let seen = vec2<i32>(0, place.end);   // every row sees all keys of the block
#else
  let q = RowEights(load_rows(place, 2u * unit_of(lane)), load_rows(place, 2u * unit_of(lane) + 1u));
  var m = kMasked;
  var l = 0.0;
  let s = row / params.group;
  let seen = vec2<i32>(first_key(past, s), min(last_key(place.b, past, s), place.end));
#endif
  for (var first = place.begin; first < place.end; first += i32(KEYS)) {
    let k = next_k;
    let v = next_v;
    next_k = load_keys(place, first + i32(KEYS), thread);
    next_v = load_values(place, first + i32(KEYS), thread);
    let key = first + i32(team) + vec4<i32>(0, i32(TEAMS), i32(2u * TEAMS), i32(3u * TEAMS));
    let sees = (key >= vec4<i32>(seen.x)) & (key < vec4<i32>(seen.y));
    let scores = vec4<f32>(score(product(q, unpack(k.x), thread), sees.x, bias_at, key.x),
                           score(product(q, unpack(k.y), thread), sees.y, bias_at, key.y),
                           score(product(q, unpack(k.z), thread), sees.z, bias_at, key.z),
                           score(product(q, unpack(k.w), thread), sees.w, bias_at, key.w));
    let top = max(max(m, max(scores.x, scores.y)), max(scores.z, scores.w));
    let rescale = team_rows(exp(m - top), thread);
    let w = vec4<f32>(weight(scores.x, top), weight(scores.y, top), weight(scores.z, top), weight(scores.w, top));
    l = l * exp(m - top) + (w.x + w.y) + (w.z + w.w);
    m = top;
    sum = RowEights(scale_rows(sum.a, rescale), scale_rows(sum.b, rescale));
    let weights = array<Rows, 4>(team_rows(w.x, thread), team_rows(w.y, thread), team_rows(w.z, thread),
                                 team_rows(w.w, thread));
    // Keys beyond the end weigh nothing, but 0 * inf would not be 0.
    if (key.x < place.end) { sum = add_value(sum, weights[0], unpack(v.x)); }
    if (key.y < place.end) { sum = add_value(sum, weights[1], unpack(v.y)); }
    if (key.z < place.end) { sum = add_value(sum, weights[2], unpack(v.z)); }
    if (key.w < place.end) { sum = add_value(sum, weights[3], unpack(v.w)); }
  }
  let joined = join_subgroup(State(m, l, sum), thread);
  let factor = team_rows(join_parties(joined.m, joined.l, thread), thread);
  store_rows(place, RowEights(scale_rows(joined.sum.a, factor), scale_rows(joined.sum.b, factor)), thread);
}
