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
var<workgroup> partial: array<Sums, ROWS * WG>;
#if NORM
var<workgroup> squares: array<f32, WG>;
#endif
var<private> acc: array<Sums, ROWS>;
var<private> square: f32;

fn add_step(k: u32, w: Sums) {
  for (var m = 0u; m < ROWS; m++) {
    let v = f32(a[a_start + min(m, params.m - 1u) * params.a_row + k * params.a_k]);
#if NORM
    square += v * v;
    acc[m] += w * (v * f32(gamma[k]));
#else
    acc[m] += w * v;
#endif
  }
}

fn add_steps(slice: u32, column: u32) {
  for (var first = slice; first < params.k; first += AHEAD * SLICES) {
    var w = array<Sums, AHEAD>();
    for (var i = 0u; i < AHEAD; i++) {
      let k = min(first + i * SLICES, params.k - 1u);
      w[i] = Sums(b[(b_start + k * params.b_k + column * params.b_column) / PER]);
    }
    for (var i = 0u; i < AHEAD; i++) {
      if (first + i * SLICES < params.k) {
        add_step(first + i * SLICES, w[i]);
      }
    }
  }
}

// Leaves the sum of a line's slices in its first.
fn sum_slices(lane: u32, line: u32, slice: u32) {
  for (var m = 0u; m < ROWS; m++) {
    partial[(m * LINES + line) * SLICES + slice] = acc[m];
  }
#if NORM
  squares[line * SLICES + slice] = square;
#endif
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

fn total(m: u32, column: u32) -> f32 {
#if PER == 4
  let sum = partial[(m * LINES + column / PER) * SLICES][column % PER];
#else
  let sum = partial[(m * LINES + column) * SLICES];
#endif
#if NORM
  return sum * inverseSqrt(squares[0] / f32(params.k) + params.epsilon);
#else
  return sum;
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let tiles = (params.n + COLUMNS - 1u) / COLUMNS;
  if (flat >= tiles * params.batches) {
    return;
  }
  set_batch(flat / tiles);
#if TRANS_B
  let line = lane / SLICES;
  let slice = lane % SLICES;
#else
  let line = lane % LINES;
  let slice = lane / LINES;
#endif
  let first = flat % tiles * COLUMNS;
  add_steps(slice, min(first + line * PER, params.n - PER));
  sum_slices(lane, line, slice);
  for (var i = lane; i < ROWS * COLUMNS; i += WG) {
    store(i / COLUMNS, first + i % COLUMNS, total(i / COLUMNS, i % COLUMNS));
  }
}
