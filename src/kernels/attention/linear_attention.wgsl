// S <- e S + k delta^T with delta = beta (v - e S^T k) or v; output = scale S^T q, for each token in turn. A workgroup
// takes 16 columns of the state of one head: thread = lane * 16 + column, and lane l keeps the rows l, l + 16, ... in
// registers. With k.q known, the first query's output follows from the old state, so that a token needs one reduction.
#include "kernels/common/flat_id.wgsl"

const COLUMNS = 16u;
const LANES = 16u;
const WG = 256u;
const ROWS = PER_LANE * LANES;

struct Params {
  tokens: u32,
  heads: u32,        // of the query
  key_heads: u32,
  state_heads: u32,
  key_size: u32,
  value_size: u32,
  tiles: u32,        // of 16 columns
  workgroups: u32,
  scale: f32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(AT_Q) var<storage, read> query: array<T>;
@group(0) @binding(AT_K) var<storage, read> key: array<T>;
@group(0) @binding(AT_V) var<storage, read> value: array<T>;
#if HAS_PAST
@group(0) @binding(AT_PAST) var<storage, read> past: array<S>;
#endif
#if HAS_DECAY
@group(0) @binding(AT_DECAY) var<storage, read> decay: array<T>;
#endif
#if HAS_BETA
@group(0) @binding(AT_BETA) var<storage, read> beta: array<T>;
#endif
@group(0) @binding(AT_OUT) var<storage, read_write> output: array<T>;
#if HAS_PRESENT
@group(0) @binding(AT_PRESENT) var<storage, read_write> present: array<S>;
#endif
#if HAS_ACTIVE
@group(0) @binding(AT_ACTIVE) var<storage, read> active_flag: array<u32>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

var<workgroup> k_row: array<f32, ROWS>;   // rows beyond the key size are 0
var<workgroup> q_row: array<f32, ROWS>;
var<workgroup> factors: array<f32, ROWS>;
var<workgroup> parts: array<vec3<f32>, WG>;

// Sum of one value of each lane of this thread's column, known to all of them. The threads' barriers are inside.
fn sum_lanes(part: vec3<f32>, thread: u32) -> vec3<f32> {
  parts[thread] = part;
  workgroupBarrier();
  var sum = vec3<f32>(0.0);
  for (var lane = 0u; lane < LANES; lane++) { sum += parts[lane * COLUMNS + thread % COLUMNS]; }
  workgroupBarrier();
  return sum;
}

fn load_query(token: u32, head: u32, thread: u32) {
  for (var i = thread; i < ROWS; i += WG) {
    let at = (token * params.heads + head) * params.key_size + min(i, params.key_size - 1u);
    q_row[i] = select(0.0, f32(query[at]), i < params.key_size);
  }
}

fn load_key(token: u32, head: u32, thread: u32) {
  let key_head = head / (params.state_heads / params.key_heads);
  for (var i = thread; i < ROWS; i += WG) {
    let row = min(i, params.key_size - 1u);
    k_row[i] = select(0.0, f32(key[(token * params.key_heads + key_head) * params.key_size + row]), i < params.key_size);
#if HAS_DECAY
    let at = token * params.state_heads + head;
#if KEY_DECAY
    factors[i] = exp(f32(decay[at * params.key_size + row]));
#else
    factors[i] = exp(f32(decay[at]));
#endif
#endif
  }
}

fn beta_of(token: u32, head: u32) -> f32 {
#if HAS_BETA
#if ONE_BETA
  return f32(beta[token]);
#else
  return f32(beta[token * params.state_heads + head]);
#endif
#else
  return 1.0;
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let unit = flat / params.tiles;   // b * state_heads + head
  let head = unit % params.state_heads;
  let lane = thread / COLUMNS;
  let column = flat % params.tiles * COLUMNS + thread % COLUMNS;
  let used = column < params.value_size;
  let state_at = unit * params.key_size * params.value_size + min(column, params.value_size - 1u);
  var state = array<f32, PER_LANE>();
#if HAS_PAST || IN_PLACE
  for (var i = 0u; i < PER_LANE; i++) {
    let row = i * LANES + lane;
    if (row < params.key_size) {
#if IN_PLACE
      state[i] = f32(present[state_at + row * params.value_size]);
#else
      state[i] = f32(past[state_at + row * params.value_size]);
#endif
    }
  }
#endif
  let group = max(params.heads / params.state_heads, 1u);   // queries of a state
  let first_query = select(head * params.heads / params.state_heads, head * group, params.heads >= params.state_heads);
  let out_heads = max(params.heads, params.state_heads);
  for (var t = 0u; t < params.tokens; t++) {
    let token = unit / params.state_heads * params.tokens + t;
    load_key(token, head, thread);
    load_query(token, first_query, thread);
    workgroupBarrier();
    var part = vec3<f32>(0.0);   // S^T k, S^T q, k.q
    for (var i = 0u; i < PER_LANE; i++) {
      let row = i * LANES + lane;
#if HAS_DECAY
      state[i] *= factors[row];
#endif
      part += vec3<f32>(state[i] * k_row[row], state[i] * q_row[row], k_row[row] * q_row[row]);
    }
    let sum = sum_lanes(part, thread);
    var delta = f32(value[token * params.state_heads * params.value_size + head * params.value_size +
                          min(column, params.value_size - 1u)]);
#if DELTA
    delta = beta_of(token, head) * (delta - sum.x);
#endif
    for (var i = 0u; i < PER_LANE; i++) { state[i] += k_row[i * LANES + lane] * delta; }
    let out_at = (token * out_heads + head * group) * params.value_size + column;
    if (lane == 0u && used) { output[out_at] = T(params.scale * (sum.y + sum.z * delta)); }
    for (var g = 1u; g < group; g++) {
      load_query(token, first_query + g, thread);
      workgroupBarrier();
      var other = 0.0;
      for (var i = 0u; i < PER_LANE; i++) { other += state[i] * q_row[i * LANES + lane]; }
      let total = sum_lanes(vec3<f32>(other, 0.0, 0.0), thread);
      if (lane == 0u && used) { output[out_at + g * params.value_size] = T(params.scale * total.x); }
    }
    workgroupBarrier();
  }
#if HAS_PRESENT
#if HAS_ACTIVE
  if (active_flag[0] == 0u) { return; }
#endif
  for (var i = 0u; i < PER_LANE; i++) {
    let row = i * LANES + lane;
    if (row < params.key_size && used) { present[state_at + row * params.value_size] = S(state[i]); }
  }
#endif
}
