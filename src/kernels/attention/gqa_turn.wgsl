// Norm and rotation of heads as they come out of the projections. HEAD_LANES of a workgroup's WG threads share a head;
// who includes this defines store(unit, d, value). TURN_Q, TURN_K and TURN_V say which kinds of heads there are.

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

const kQuery = 0u;
const kKey = 1u;
const kValue = 2u;

struct Unit {
  kind: u32,
  token: u32,   // b * seq + s
  head: u32,    // among those of its kind
  past: u32,
}

fn load(unit: Unit, d: u32) -> f32 {
  let at = unit.head * D + d;
#if TURN_Q
  if (unit.kind == kQuery) { return f32(q_in[unit.token * params.q_stride + at]); }
#endif
#if TURN_K
  if (unit.kind == kKey) {
#if PACKED
    return f32(q_in[unit.token * params.kv_stride + params.k_offset + at]);
#else
    return f32(k_in[unit.token * params.kv_stride + at]);
#endif
  }
#endif
#if TURN_V
#if PACKED
  return f32(q_in[unit.token * params.kv_stride + params.v_offset + at]);
#else
  return f32(v_in[unit.token * params.kv_stride + at]);
#endif
#else
  return 0.0;
#endif
}

#if NORM
var<workgroup> squares: array<f32, WG>;

// 1 / rms of the unit's head. Every thread of the workgroup must call it.
fn inverse_rms(unit: Unit, thread: u32) -> f32 {
  var sum = 0.0;
  for (var d = thread % HEAD_LANES; d < D; d += HEAD_LANES) {
    let x = load(unit, d);
    sum += x * x;
  }
  squares[thread] = sum;
  for (var step = HEAD_LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (thread % HEAD_LANES < step) { squares[thread] += squares[thread + step]; }
  }
  workgroupBarrier();
  return inverseSqrt(squares[thread - thread % HEAD_LANES] / f32(D) + params.epsilon);
}

fn norm_weight(unit: Unit, d: u32) -> f32 {
#if HAS_QNORM
  if (unit.kind == kQuery) { return f32(q_weight[d]); }
#endif
#if HAS_KNORM
  if (unit.kind == kKey) { return f32(k_weight[d]); }
#endif
  return 1.0;
}
#endif

// Row of the tables, in range whatever the positions are.
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

// Stores the unit's head, turned; values as they are. Every thread of the workgroup must call it.
fn turn(unit: Unit, used: bool, thread: u32) {
#if NORM
  let norm = inverse_rms(unit, thread);
#endif
  if (!used) { return; }
  let half = select(params.half, 0u, unit.kind == kValue);
#if HAS_COS
  let table = position(unit) * params.half;
#endif
  for (var i = thread % HEAD_LANES; i < D / 2u; i += HEAD_LANES) {
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
      x *= norm * norm_weight(unit, a);
      y *= norm * norm_weight(unit, b);
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
