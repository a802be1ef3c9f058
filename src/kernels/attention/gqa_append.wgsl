// q -> rope(norm(q)) -> rotated; k -> rope(norm(k)) -> row past + s of the key cache; v -> that row of the value cache.
// LANES threads share one head of one token; the heads of a token are numbered q, then k, then v, as far as bound.
#include "kernels/common/flat_id.wgsl"

const WG = 128u;
const LANES = 32u;

struct Params {
  seq: u32,
  tokens: u32,       // batch * seq
  q_heads: u32,      // heads of each kind in this dispatch; 0 if it leaves the kind out
  k_heads: u32,
  v_heads: u32,
  kv_heads: u32,     // heads of the caches
  capacity: u32,
  positions: u32,    // rows of the cos and sin tables
  half: u32,         // rotary dimension / 2; 0 without rotation
  q_stride: u32,     // elements from one token to the next
  kv_stride: u32,
  k_offset: u32,     // elements from a token's first to its first key
  v_offset: u32,
  epsilon: f32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(AT_LEN) var<storage, read> seqlens: array<i32>;
#if HAS_Q
@group(0) @binding(AT_Q) var<storage, read> q_in: array<T>;
#endif
#if HAS_K
@group(0) @binding(AT_K) var<storage, read> k_in: array<T>;
#endif
#if HAS_V
@group(0) @binding(AT_V) var<storage, read> v_in: array<T>;
#endif
#if HAS_COS
@group(0) @binding(AT_COS) var<storage, read> cos_table: array<CS>;
@group(0) @binding(AT_SIN) var<storage, read> sin_table: array<CS>;
#endif
#if HAS_POS
@group(0) @binding(AT_POS) var<storage, read> position_ids: array<i32>;
#endif
#if HAS_QNORM
@group(0) @binding(AT_QNORM) var<storage, read> q_weight: array<N>;
#endif
#if HAS_KNORM
@group(0) @binding(AT_KNORM) var<storage, read> k_weight: array<N>;
#endif
#if HAS_ROTATED
@group(0) @binding(AT_ROTATED) var<storage, read_write> rotated: array<T>;
#endif
#if HAS_KCACHE
@group(0) @binding(AT_KCACHE) var<storage, read_write> key_cache: array<T>;
#endif
#if HAS_VCACHE
@group(0) @binding(AT_VCACHE) var<storage, read_write> value_cache: array<T>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

const kQuery = 0u;
const kKey = 1u;
const kValue = 2u;

struct Unit {
  kind: u32,
  token: u32,
  head: u32,
  past: u32,
}

fn unit_of(index: u32) -> Unit {
  let heads = params.q_heads + params.k_heads + params.v_heads;
  let token = index / heads;
  var head = index % heads;
  var kind = kQuery;
  if (head >= params.q_heads) {
    head -= params.q_heads;
    kind = kKey;
    if (head >= params.k_heads) {
      head -= params.k_heads;
      kind = kValue;
    }
  }
  let past = max(0, seqlens[token / params.seq] + 1 - i32(params.seq));
  return Unit(kind, token, head, u32(past));
}

fn load(unit: Unit, d: u32) -> f32 {
  let at = unit.head * D + d;
#if HAS_ROTATED
  if (unit.kind == kQuery) { return f32(q_in[unit.token * params.q_stride + at]); }
#endif
#if HAS_KCACHE
  if (unit.kind == kKey) {
#if PACKED
    return f32(q_in[unit.token * params.kv_stride + params.k_offset + at]);
#else
    return f32(k_in[unit.token * params.kv_stride + at]);
#endif
  }
#endif
#if HAS_VCACHE
#if PACKED
  return f32(q_in[unit.token * params.kv_stride + params.v_offset + at]);
#else
  return f32(v_in[unit.token * params.kv_stride + at]);
#endif
#else
  return 0.0;
#endif
}

fn store(unit: Unit, d: u32, value: f32) {
#if HAS_ROTATED
  if (unit.kind == kQuery) {
    rotated[(unit.token * params.q_heads + unit.head) * D + d] = T(value);
    return;
  }
#endif
  let row = unit.past + unit.token % params.seq;
  // A row past the end would fall into the next head.
  if (row >= params.capacity) { return; }
  let at = ((unit.token / params.seq * params.kv_heads + unit.head) * params.capacity + row) * D + d;
#if HAS_KCACHE
  if (unit.kind == kKey) {
    key_cache[at] = T(value);
    return;
  }
#endif
#if HAS_VCACHE
  value_cache[at] = T(value);
#endif
}

#if NORM
var<workgroup> squares: array<f32, WG>;

// 1 / rms of the unit's head. Every thread of the workgroup must call it.
fn inverse_rms(unit: Unit, thread: u32) -> f32 {
  var sum = 0.0;
  for (var d = thread % LANES; d < D; d += LANES) {
    let x = load(unit, d);
    sum += x * x;
  }
  squares[thread] = sum;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (thread % LANES < step) { squares[thread] += squares[thread + step]; }
  }
  workgroupBarrier();
  return inverseSqrt(squares[thread - thread % LANES] / f32(D) + params.epsilon);
}

fn weight(unit: Unit, d: u32) -> f32 {
#if HAS_QNORM
  if (unit.kind == kQuery) { return f32(q_weight[d]); }
#endif
#if HAS_KNORM
  if (unit.kind == kKey) { return f32(k_weight[d]); }
#endif
  return 1.0;
}
#endif

fn position(unit: Unit) -> u32 {
  let s = unit.token % params.seq;
  var at = i32(unit.past + s);
#if HAS_POS
  at = position_ids[unit.token];
#if FIRST_ID
  // ONNX Runtime counts a first prompt on from the first id.
  if (unit.past == 0u && params.seq > 1u) { at = position_ids[0] + i32(s); }
#endif
#endif
  return u32(clamp(at, 0, i32(params.positions) - 1));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let units = params.tokens * (params.q_heads + params.k_heads + params.v_heads);
  let index = flat_workgroup(id, n) * (WG / LANES) + thread / LANES;
  let unit = unit_of(min(index, units - 1u));
  let lane = thread % LANES;
#if NORM
  let norm = inverse_rms(unit, thread);
#endif
  if (index >= units) { return; }
  let half = select(params.half, 0u, unit.kind == kValue);
#if HAS_COS
  let table = position(unit) * params.half;
#endif
  for (var i = lane; i < D / 2u; i += LANES) {
    // Pair i of the rotation, or two neighbours beyond the rotary dimension.
    var a = 2u * i;
    var b = 2u * i + 1u;
#if !INTERLEAVED
    if (i < half) {
      a = i;
      b = i + half;
    }
#endif
    var x = load(unit, a);
    var y = load(unit, b);
#if NORM
    if (unit.kind != kValue) {
      x *= norm * weight(unit, a);
      y *= norm * weight(unit, b);
    }
#endif
#if HAS_COS
    if (i < half) {
      let c = f32(cos_table[table + i]);
      let s = f32(sin_table[table + i]);
      let turned = x * c - y * s;
      y = y * c + x * s;
      x = turned;
    }
#endif
    store(unit, a, x);
    store(unit, b, y);
  }
}
