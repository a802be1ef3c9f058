// y = x / sqrt(mean(x^2) + epsilon) * scale * activation(gate) for each row of scale's size; one workgroup a row.
#include "kernels/common/flat_id.wgsl"

const WG = 64u;

struct Params {
  rows: u32,
  size: u32,
  epsilon: f32,
  pad0: u32,
}

@group(0) @binding(AT_X) var<storage, read> x: array<T>;
@group(0) @binding(AT_SCALE) var<storage, read> scale: array<T>;
@group(0) @binding(AT_GATE) var<storage, read> gate: array<T>;
@group(0) @binding(AT_Y) var<storage, read_write> y: array<T>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

var<workgroup> squares: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let row = flat_workgroup(id, n);
  if (row >= params.rows) { return; }
  let base = row * params.size;
  var sum = 0.0;
  for (var i = thread; i < params.size; i += WG) {
    let value = f32(x[base + i]);
    sum += value * value;
  }
  squares[thread] = sum;
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (thread < step) { squares[thread] += squares[thread + step]; }
  }
  workgroupBarrier();
  let norm = inverseSqrt(squares[0] / f32(params.size) + params.epsilon);
  for (var i = thread; i < params.size; i += WG) {
    let z = f32(gate[base + i]);
    var factor = 1.0 / (1.0 + exp(-z));
#if SILU
    factor *= z;
#endif
    y[base + i] = T(f32(x[base + i]) * norm * f32(scale[i]) * factor);
  }
}
