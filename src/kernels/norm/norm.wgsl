// v = x (+ skip (+ bias)); y = (v - mean) / sqrt(mean((v - mean)^2) + eps) * weight (+ beta); mean = 0 unless CENTRED.
// With INNER, x / sqrt(mean(x^2) + inner_eps) * inner stands for x. Outputs that are not bound are not computed.
// THREADS threads share a row, ROWS rows a workgroup. Up to PER vectors of a row are a thread's: all it needs of them is
// loaded before the first sum, so that a single row waits for memory once. With PER 0 a row is longer and read anew.
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
  inner_epsilon: f32,
  pad0: u32,
  pad1: u32,
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
#if HAS_INNER
@group(0) @binding(AT_INNER) var<storage, read> inner: array<VW>;
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

// What a column's result is made of.
struct Terms {
  x: VF,
  added: VF,  // skip and bias
  inner: VF,
  gamma: VF,
  beta: VF,
}

fn load(row: u32, col: u32) -> Terms {
  var t: Terms;
  t.x = VF(x[row * params.cols + col]);
#if HAS_SKIP
  t.added += VF(skip[row % params.skip_rows * params.cols + col]);
#endif
#if HAS_BIAS
  t.added += VF(bias[col]);
#endif
#if HAS_INNER
  t.inner = VF(inner[col]);
#endif
#if HAS_WEIGHT
  t.gamma = VF(gamma[col]);
#endif
#if HAS_BETA
  t.beta = VF(beta[col]);
#endif
  return t;
}

#if PER
const STEPS = PER;
var<private> kept: array<Terms, PER>;

fn keep(row: u32, lane: u32, cols: u32) {
  for (var k = 0u; k < PER; k++) {
    let col = lane + k * THREADS;
    if (col < cols) { kept[k] = load(row, col); }
  }
}

fn terms(k: u32, row: u32, col: u32) -> Terms { return kept[k]; }
#else
fn terms(k: u32, row: u32, col: u32) -> Terms { return load(row, col); }
#endif

fn value(t: Terms, inner_scale: f32) -> VF {
#if HAS_INNER
  return t.x * inner_scale * t.inner + t.added;
#else
  return t.x + t.added;
#endif
}

#if SUBGROUPS
var<private> subgroup_lane: u32;
var<private> subgroup_width: u32;

// Sum over the workgroup, whose subgroups are runs of invocations.
fn row_sum(thread: u32, value: f32) -> f32 {
  let part = subgroupAdd(value);
  workgroupBarrier();
  if (subgroup_lane == 0u) { partial[thread / subgroup_width] = part; }
  workgroupBarrier();
  var s = 0.0;
  for (var i = 0u; i < WG / subgroup_width; i++) { s += partial[i]; }
  return s;
}
#else
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
#endif

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_invocation_id) lane_of_subgroup: u32, @builtin(subgroup_size) size: u32,
#endif
        @builtin(local_invocation_index) thread: u32) {
#if SUBGROUPS
  subgroup_lane = lane_of_subgroup;
  subgroup_width = size;
#endif
  let row = flat_workgroup(id, n) * ROWS + thread / THREADS;
  let lane = thread % THREADS;
  let cols = select(0u, params.cols, row < params.rows);
#if PER
  keep(row, lane, cols);
#else
  let STEPS = (cols + THREADS - 1u) / THREADS;
#endif
  var inner_scale = 1.0;
#if HAS_INNER
  var inner_squares = VF(0.0);
  for (var k = 0u; k < STEPS; k++) {
    let col = lane + k * THREADS;
    if (col < cols) {
      let v = terms(k, row, col).x;
      inner_squares += v * v;
    }
  }
  inner_scale = inverseSqrt(row_sum(thread, total(inner_squares)) / params.width + params.inner_epsilon);
#endif
  var mean = VF(0.0);
#if CENTRED
  var sums = VF(0.0);
  for (var k = 0u; k < STEPS; k++) {
    let col = lane + k * THREADS;
    if (col < cols) { sums += value(terms(k, row, col), inner_scale); }
  }
  mean = VF(row_sum(thread, total(sums)) / params.width);
#endif
  var scale = 1.0;
#if HAS_Y || HAS_FACTOR
  var squares = VF(0.0);
  for (var k = 0u; k < STEPS; k++) {
    let col = lane + k * THREADS;
    if (col < cols) {
      let d = value(terms(k, row, col), inner_scale) - mean;
      squares += d * d;
    }
  }
  scale = inverseSqrt(row_sum(thread, total(squares)) / params.width + params.epsilon);
#endif
#if HAS_MEAN
  if (lane == 0u && row < params.rows) { means[row] = first_of(mean); }
#endif
#if HAS_FACTOR
  if (lane == 0u && row < params.rows) { factors[row] = scale; }
#endif
#if HAS_Y || HAS_SUM
  for (var k = 0u; k < STEPS; k++) {
    let col = lane + k * THREADS;
    if (col >= cols) { continue; }
    let t = terms(k, row, col);
    let v = value(t, inner_scale);
#if HAS_Y
    y[row * params.cols + col] = VY((v - mean) * scale * t.gamma + t.beta);
#endif
#if HAS_SUM
    sum[row * params.cols + col] = VY(v);
#endif
  }
#endif
}
