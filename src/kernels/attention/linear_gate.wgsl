// decay = decay_scale * log(1 + exp(a + dt_bias)), beta = 1 / (1 + exp(-b)); one thread an element.
#include "kernels/common/flat_id.wgsl"

struct Params {
  elements: u32,
  heads: u32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(AT_A) var<storage, read> a: array<T>;
@group(0) @binding(AT_DT) var<storage, read> dt_bias: array<f32>;
@group(0) @binding(AT_SCALE) var<storage, read> decay_scale: array<f32>;
@group(0) @binding(AT_DECAY) var<storage, read_write> decay: array<T>;
#if HAS_BETA
@group(0) @binding(AT_B) var<storage, read> b: array<T>;
@group(0) @binding(AT_BETA) var<storage, read_write> beta: array<T>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * 256u + thread;
  if (index >= params.elements) { return; }
  let head = index % params.heads;
  let x = f32(a[index]) + dt_bias[head];
  // Without overflow; below -15 the sum with 1 would round the small term away.
  let small = exp(-abs(x));
  let softplus = max(x, 0.0) + select(log(1.0 + small), small, small < 3e-7);
  decay[index] = T(decay_scale[head] * softplus);
#if HAS_BETA
  beta[index] = T(1.0 / (1.0 + exp(-f32(b[index]))));
#endif
}
