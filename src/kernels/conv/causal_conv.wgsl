// y[b,c,t] = act(bias[c] + sum_k w[c,k] z[b,c,t+k]), z = past then x; present = the last K-1 columns of z.
// STEP 0: y, one thread an output. STEP 1: present, one thread a channel, which holds the state in registers because
// present may be past. STEP 2: the same thread does both, for one new column.
#include "kernels/common/flat_id.wgsl"

const TAIL = max(K, 2u) - 1u;   // columns carried; WGSL has no empty arrays

struct Params {
  channels: u32,   // of a batch entry
  all: u32,        // batch * channels
  seq: u32,
  pad0: u32,
}

@group(0) @binding(AT_X) var<storage, read> x: array<T>;
#if HAS_WEIGHT
@group(0) @binding(AT_WEIGHT) var<storage, read> weight: array<T>;
@group(0) @binding(AT_Y) var<storage, read_write> y: array<T>;
#endif
#if HAS_BIAS
@group(0) @binding(AT_BIAS) var<storage, read> bias: array<T>;
#endif
#if HAS_PAST
@group(0) @binding(AT_PAST) var<storage, read> past: array<T>;
#endif
#if HAS_ACTIVE
@group(0) @binding(AT_ACTIVE) var<storage, read> active_flag: array<u32>;
#endif
#if HAS_PRESENT
@group(0) @binding(AT_PRESENT) var<storage, read_write> present: array<T>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

// Column i of z of a channel; past must not have been overwritten yet.
fn column(channel: u32, i: u32) -> f32 {
  if (i >= K - 1u) { return f32(x[channel * params.seq + i - (K - 1u)]); }
#if IN_PLACE
  return f32(present[channel * (K - 1u) + i]);
#elif HAS_PAST
  return f32(past[channel * (K - 1u) + i]);
#else
  return 0.0;
#endif
}

#if HAS_WEIGHT
fn output(channel: u32, t: u32) {
  let c = channel % params.channels;
  var sum = 0.0;
#if HAS_BIAS
  sum = f32(bias[c]);
#endif
  for (var k = 0u; k < K; k++) { sum += f32(weight[c * K + k]) * column(channel, t + k); }
#if SILU
  sum = sum / (1.0 + exp(-sum));
#endif
  y[channel * params.seq + t] = T(sum);
}
#endif

#if HAS_PRESENT
fn update_state(channel: u32) {
#if HAS_ACTIVE
  if (active_flag[0] == 0u) { return; }
#endif
  var state: array<f32, TAIL>;
  for (var i = 0u; i < K - 1u; i++) { state[i] = column(channel, params.seq + i); }
  for (var i = 0u; i < K - 1u; i++) { present[channel * (K - 1u) + i] = T(state[i]); }
}
#endif

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * 256u + thread;
#if STEP == 0
  if (index < params.all * params.seq) { output(index / params.seq, index % params.seq); }
#else
  if (index >= params.all) { return; }
#if STEP == 2
  output(index, 0u);
#endif
#if HAS_PRESENT
  update_state(index);
#endif
#endif
}
