// y = alpha * op(a) * op(b) + beta * c for up to ROWS rows. A workgroup owns COLUMNS columns; an invocation takes PER
// neighbouring ones (4 where b is bound as quads) of every SLICES-th step along K. Neighbouring invocations read
// neighbouring elements of b: along columns, or along K if b is transposed. NORM: the one row of a is multiplied by
// gamma, and the sum by 1 / sqrt(mean(a^2) + epsilon), so that a is RMS-normalised on the way.
#include "kernels/common/flat_id.wgsl"
#include "kernels/matmul/matmul_common.wgsl"
#if NORM
@group(0) @binding(4) var<storage, read> gamma: array<G>;
#endif

#if PER == 4
alias Sums = vec4<f32>;
#else
alias Sums = f32;
#endif
const LINES: u32 = COLUMNS / PER;
const SLICES: u32 = WG / LINES;
const AHEAD: u32 = 4u;  // loads that wait for memory together
var<workgroup> partial: array<Sums, ROWS * LINES * PARTIALS>;
#if NORM
var<workgroup> squares: array<f32, LINES * PARTIALS>;
#endif
var<private> acc: array<Sums, ROWS>;
var<private> square: f32;
var<private> parts: u32;  // sums that are left of a line

fn add_steps(slice: u32, column: u32) {
  for (var first = slice; first < params.k; first += AHEAD * SLICES) {
    var w = array<Sums, AHEAD>();
    var v = array<f32, AHEAD * ROWS>();
#if NORM
    var g = array<f32, AHEAD>();
#endif
    for (var i = 0u; i < AHEAD; i++) {
      let k = min(first + i * SLICES, params.k - 1u);
      w[i] = Sums(b[(b_start + k * params.b_k + column * params.b_column) / PER]);
      for (var m = 0u; m < ROWS; m++) {
        v[i * ROWS + m] = f32(a[a_start + min(m, params.m - 1u) * params.a_row + k * params.a_k]);
      }
#if NORM
      g[i] = f32(gamma[k]);
#endif
    }
    for (var i = 0u; i < AHEAD; i++) {
      if (first + i * SLICES < params.k) {
        for (var m = 0u; m < ROWS; m++) {
#if NORM
          square += v[i] * v[i];
          acc[m] += w[i] * (v[i] * g[i]);
#else
          acc[m] += w[i] * v[i * ROWS + m];
#endif
        }
      }
    }
  }
}

fn keep_sums(line: u32, part: u32) {
  for (var m = 0u; m < ROWS; m++) {
    partial[(m * LINES + line) * PARTIALS + part] = acc[m];
  }
#if NORM
  squares[line * PARTIALS + part] = square;
#endif
}

#if SUBGROUPS
// Leaves one sum of each subgroup. A line's slices are STRIDE invocations apart, in a run of SPAN.
#if TRANS_B
const STRIDE: u32 = 1u;
const SPAN: u32 = SLICES;
#else
const STRIDE: u32 = LINES;
const SPAN: u32 = WG;
#endif

fn sum_slices(line: u32, slice: u32, subgroup_size: u32) {
  let span = min(SPAN, subgroup_size);
  for (var stride = STRIDE; stride < span; stride *= 2u) {
    for (var m = 0u; m < ROWS; m++) {
      acc[m] += subgroupShuffleXor(acc[m], stride);
    }
#if NORM
    square += subgroupShuffleXor(square, stride);
#endif
  }
  let together = max(span / STRIDE, 1u);
  parts = SLICES / together;
  if (slice % together == 0u) {
    keep_sums(line, slice / together);
  }
  workgroupBarrier();
}
#else
// Leaves the sum of a line's slices in its first.
fn sum_slices(lane: u32, line: u32, slice: u32) {
  parts = 1u;
  keep_sums(line, slice);
  workgroupBarrier();
  for (var stride = SLICES / 2u; stride > 0u; stride /= 2u) {
    for (var i = lane; i < ROWS * LINES * stride; i += WG) {
      let at = i / stride * SLICES + i % stride;
      partial[at] += partial[at + stride];
#if NORM
      squares[at] += squares[at + stride];
#endif
    }
    workgroupBarrier();
  }
}
#endif

fn total(m: u32, column: u32) -> f32 {
  let first = (m * LINES + column / PER) * PARTIALS;
  var sum = Sums();
  for (var i = 0u; i < parts; i++) {
    sum += partial[first + i];
  }
#if NORM
  var all = 0.0;
  for (var i = 0u; i < parts; i++) {
    all += squares[i];
  }
  sum *= inverseSqrt(all / f32(params.k) + params.epsilon);
#endif
#if PER == 4
  return sum[column % PER];
#else
  return sum;
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_size) subgroup_size: u32,
#endif
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let tiles = (params.n + COLUMNS - 1u) / COLUMNS;
  if (flat >= tiles * params.batches) {
    return;
  }
  var tile = flat;
  if (params.batches > 1u) {  // divisions take time
    set_batch(flat / tiles);
    tile = flat % tiles;
  }
#if TRANS_B
  let line = lane / SLICES;
  let slice = lane % SLICES;
#else
  let line = lane % LINES;
  let slice = lane / LINES;
#endif
  let first = tile * COLUMNS;
  add_steps(slice, min(first + line * PER, params.n - PER));
#if SUBGROUPS
  sum_slices(line, slice, subgroup_size);
#else
  sum_slices(lane, line, slice);
#endif
  for (var i = lane; i < ROWS * COLUMNS; i += WG) {
    store(i / COLUMNS, first + i % COLUMNS, total(i / COLUMNS, i % COLUMNS));
  }
}
