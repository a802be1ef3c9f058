// y = exp(x - max) / sum(exp(x - max)), or x - max - log(sum(...)), along an axis whose elements lie inner apart.
// THREADS threads share a row, ROWS rows a workgroup. Maximum and sum are found in one pass.
#include "kernels/common/flat_id.wgsl"

struct Params {
  rows: u32,
  cols: u32,
  inner: u32,
  pad0: u32,
}

@group(0) @binding(AT_X) var<storage, read> x: array<X>;
@group(0) @binding(AT_Y) var<storage, read_write> y: array<Y>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

const WG = THREADS * ROWS;
// Below every finite input that matters: a start for maxima with which no inf - inf arises.
const kLowest = -3.4e38;
var<workgroup> pairs: array<vec2<f32>, WG>;

// (max, sum of exp(x - max)) of two sets together. NaN survives in the sum, whatever max() makes of it.
fn join(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let m = max(a.x, b.x);
  return vec2<f32>(m, a.y * exp(a.x - m) + b.y * exp(b.x - m));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let row = flat_workgroup(id, n) * ROWS + thread / THREADS;
  let lane = thread % THREADS;
  let cols = select(0u, params.cols, row < params.rows);
  let base = row / params.inner * params.inner * params.cols + row % params.inner;
  var state = vec2<f32>(kLowest, 0.0);
  for (var col = lane; col < cols; col += THREADS) {
    state = join(state, vec2<f32>(f32(x[base + col * params.inner]), 1.0));
  }
  pairs[thread] = state;
  for (var step = THREADS / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) { pairs[thread] = join(pairs[thread], pairs[thread + step]); }
  }
  workgroupBarrier();
  let all = pairs[thread - lane];
#if LOG
  let log_sum = log(all.y);
#endif
  for (var col = lane; col < cols; col += THREADS) {
    let at = base + col * params.inner;
#if LOG
    y[at] = Y(f32(x[at]) - all.x - log_sum);
#else
    y[at] = Y(exp(f32(x[at]) - all.x) / all.y);
#endif
  }
}
