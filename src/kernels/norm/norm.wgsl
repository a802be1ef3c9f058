// v = x (+ skip (+ bias)); y = (v - mean) / sqrt(mean((v - mean)^2) + eps) * weight (+ beta); mean = 0 unless CENTRED.
// Without Y only each row's mean and factor 1 / sqrt(...) are written.
// THREADS threads share a row, ROWS rows a workgroup.
#include "kernels/common/flat_id.wgsl"

#if VEC == 4
alias VF = vec4<f32>;
alias VX = vec4<X>;
alias VY = vec4<Y>;
alias VW = vec4<W>;
fn total(v: VF) -> f32 { return (v.x + v.y) + (v.z + v.w); }
fn first_of(v: VF) -> f32 { return v.x; }
#else
alias VF = f32;
alias VX = X;
alias VY = Y;
alias VW = W;
fn total(v: VF) -> f32 { return v; }
fn first_of(v: VF) -> f32 { return v; }
#endif

struct Params {
  rows: u32,
  cols: u32,       // vectors of a row
  skip_rows: u32,  // the skip repeats after so many rows
  width: f32,      // elements of a row
  epsilon: f32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(AT_X) var<storage, read> x: array<VX>;
#if HAS_WEIGHT
@group(0) @binding(AT_WEIGHT) var<storage, read> gamma: array<VW>;
#endif
#if HAS_SKIP
@group(0) @binding(AT_SKIP) var<storage, read> skip: array<VX>;
#endif
#if HAS_BIAS
@group(0) @binding(AT_BIAS) var<storage, read> bias: array<VW>;
#endif
#if HAS_BETA
@group(0) @binding(AT_BETA) var<storage, read> beta: array<VW>;
#endif
#if HAS_Y
@group(0) @binding(AT_Y) var<storage, read_write> y: array<VY>;
#endif
#if HAS_SUM
@group(0) @binding(AT_SUM) var<storage, read_write> sum: array<VY>;
#endif
#if HAS_MEAN
@group(0) @binding(AT_MEAN) var<storage, read_write> means: array<f32>;
#endif
#if HAS_FACTOR
@group(0) @binding(AT_FACTOR) var<storage, read_write> factors: array<f32>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

const WG = THREADS * ROWS;
var<workgroup> partial: array<f32, WG>;

fn input(row: u32, col: u32) -> VF {
  var v = VF(x[row * params.cols + col]);
#if HAS_SKIP
  v += VF(skip[row % params.skip_rows * params.cols + col]);
#endif
#if HAS_BIAS
  v += VF(bias[col]);
#endif
  return v;
}

// Sum over the THREADS threads of this row, in steps of 16: two barriers for 256.
fn row_sum(thread: u32, value: f32) -> f32 {
  workgroupBarrier();
  partial[thread] = value;
  workgroupBarrier();
  let first = thread - thread % THREADS;
  var s = 0.0;
#if THREADS == 16
  for (var i = 0u; i < 16u; i++) { s += partial[first + i]; }
#else
  if (thread % THREADS < THREADS / 16u) {
    for (var i = 0u; i < 16u; i++) { s += partial[first + thread % THREADS + i * (THREADS / 16u)]; }
  }
  workgroupBarrier();
  if (thread % THREADS < THREADS / 16u) { partial[thread] = s; }
  workgroupBarrier();
  s = 0.0;
  for (var i = 0u; i < THREADS / 16u; i++) { s += partial[first + i]; }
#endif
  return s;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let row = flat_workgroup(id, n) * ROWS + thread / THREADS;
  let lane = thread % THREADS;
  let cols = select(0u, params.cols, row < params.rows);
  var mean = VF(0.0);
#if CENTRED
  var sums = VF(0.0);
  for (var col = lane; col < cols; col += THREADS) { sums += input(row, col); }
  mean = VF(row_sum(thread, total(sums)) / params.width);
#endif
  var squares = VF(0.0);
  for (var col = lane; col < cols; col += THREADS) {
    let d = input(row, col) - mean;
    squares += d * d;
  }
  let scale = inverseSqrt(row_sum(thread, total(squares)) / params.width + params.epsilon);
#if HAS_MEAN
  if (lane == 0u && row < params.rows) { means[row] = first_of(mean); }
#endif
#if HAS_FACTOR
  if (lane == 0u && row < params.rows) { factors[row] = scale; }
#endif
#if HAS_Y
  for (var col = lane; col < cols; col += THREADS) {
    let v = input(row, col);
    var result = (v - mean) * scale * VF(gamma[col]);
#if HAS_BETA
    result += VF(beta[col]);
#endif
    y[row * params.cols + col] = VY(result);
#if HAS_SUM
    sum[row * params.cols + col] = VY(v);
#endif
  }
#endif
}
