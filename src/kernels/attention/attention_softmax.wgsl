// scores -> exp(score - max) / (sum + exp(sink - max)) in place; rows that see no key become 0. One workgroup a row, a
// row being as in attention_scores.wgsl. Maximum and sum are found in one pass.
#include "kernels/common/flat_id.wgsl"
#include "kernels/common/float_bits.wgsl"

const WG = 128u;

struct Params {
  seq: u32,
  first: u32,
  rows: u32,
  keys: u32,
  heads: u32,
  kv_heads: u32,
  workgroups: u32,
  pad0: u32,
}

@group(0) @binding(AT_SCORES) var<storage, read_write> scores: array<f32>;
#if HAS_SINK
@group(0) @binding(AT_SINK) var<storage, read> sinks: array<SK>;
#endif
#if HAS_QK
@group(0) @binding(AT_QK) var<storage, read_write> qk: array<T>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

const kMasked = -3.4e38;
// NaN is seen too, and spreads to the row.
fn is_seen(score: f32) -> bool { return is_nan(score) || score > kMasked; }

var<workgroup> pairs: array<vec2<f32>, WG>;

// (max, sum of exp(x - max)) of two sets together. NaN survives in the sum, whatever max() makes of it.
fn join(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let m = max(a.x, b.x);
  return vec2<f32>(m, a.y * exp(a.x - m) + b.y * exp(b.x - m));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let kv = flat / params.rows;
  let row = flat % params.rows;
  let group = params.heads / params.kv_heads;
  let head = kv % params.kv_heads * group + row % group;
  let base = flat * params.keys;
  var state = vec2<f32>(kMasked, 0.0);
  for (var key = thread; key < params.keys; key += WG) {
    let score = scores[base + key];
    if (is_seen(score)) { state = join(state, vec2<f32>(score, 1.0)); }
  }
  pairs[thread] = state;
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (thread < step) { pairs[thread] = join(pairs[thread], pairs[thread + step]); }
  }
  workgroupBarrier();
  var all = pairs[0];
#if HAS_SINK
  all = join(all, vec2<f32>(f32(sinks[head]), 1.0));
#elif SMOOTH
  all = join(all, vec2<f32>(0.0, 1.0));
#endif
  for (var key = thread; key < params.keys; key += WG) {
    let score = scores[base + key];
    var weight = 0.0;
    if (is_seen(score)) { weight = exp(score - all.x) / all.y; }
    scores[base + key] = weight;
#if HAS_QK
    let token = params.first + row / group;
    qk[((kv / params.kv_heads * params.heads + head) * params.seq + token) * params.keys + key] = T(weight);
#endif
  }
}
