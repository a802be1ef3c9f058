// y[b,c,t] = act(bias[c] + sum_k w[c,k] z[b,c,t+k*dilation]), z = past then x; present = the last `tail` columns of z.
// STEP 0: y, one thread an output. STEP 1: present, one thread a channel; it moves columns towards the front, first
// ones first, because present may be past. STEP 2: the same thread does both, for one new column.
#include "kernels/common/flat_id.wgsl"

struct Params {
  channels: u32,   // of a batch entry
  all: u32,        // batch * channels
  seq: u32,
  dilation: u32,
  tail: u32,       // columns carried
  pad0: u32,
  pad1: u32,
  pad2: u32,
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

// Where column t of a channel (b * channels + c) lies in a tensor of so many columns.
fn place(channel: u32, t: u32, columns: u32) -> u32 {
#if CHANNELS_LAST
  return (channel / params.channels * columns + t) * params.channels + channel % params.channels;
#else
  return channel * columns + t;
#endif
}

// Column i of z of a channel; past must not have been overwritten yet.
fn column(channel: u32, i: u32) -> f32 {
  if (i >= params.tail) { return f32(x[place(channel, i - params.tail, params.seq)]); }
#if IN_PLACE
  return f32(present[place(channel, i, params.tail)]);
#elif HAS_PAST
  return f32(past[place(channel, i, params.tail)]);
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
  for (var k = 0u; k < K; k++) { sum += f32(weight[c * K + k]) * column(channel, t + k * params.dilation); }
#if SILU
  sum = sum / (1.0 + exp(-sum));
#endif
  y[place(channel, t, params.seq)] = T(sum);
}
#endif

#if HAS_PRESENT
fn update_state(channel: u32) {
#if HAS_ACTIVE
  if (active_flag[0] == 0u) { return; }
#endif
  for (var i = 0u; i < params.tail; i++) { present[place(channel, i, params.tail)] = T(column(channel, params.seq + i)); }
}
#endif

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * 256u + thread;
#if STEP == 0
  if (index >= params.all * params.seq) { return; }
#if CHANNELS_LAST
  let rest = index / params.channels;   // b * seq + t: neighbouring threads take neighbouring channels
  output(rest / params.seq * params.channels + index % params.channels, rest % params.seq);
#else
  output(index / params.seq, index % params.seq);
#endif
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
