// y = alpha * op(a) * op(b) + beta * c for up to ROWS rows. A workgroup owns COLUMNS columns; WG / COLUMNS invocations
// share one and stride over K. Neighbouring invocations read neighbouring elements of b: along columns, or along K if b
// is transposed.
#include "kernels/common/flat_id.wgsl"
#include "kernels/matmul/matmul_common.wgsl"

const SLICES: u32 = WG / COLUMNS;
var<workgroup> partial: array<f32, ROWS * WG>;

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
  let local_column = lane / SLICES;
  let slice = lane % SLICES;
#else
  let local_column = lane % COLUMNS;
  let slice = lane / COLUMNS;
#endif
  let first = flat % tiles * COLUMNS;
  let column = min(first + local_column, params.n - 1u);
  var acc = array<f32, ROWS>();
  for (var k = slice; k < params.k; k += SLICES) {
    let w = f32(b[b_start + k * params.b_k + column * params.b_column]);
    for (var m = 0u; m < ROWS; m++) {
      acc[m] += w * f32(a[a_start + min(m, params.m - 1u) * params.a_row + k * params.a_k]);
    }
  }
  for (var m = 0u; m < ROWS; m++) {
    partial[(m * COLUMNS + local_column) * SLICES + slice] = acc[m];
  }
  workgroupBarrier();
  for (var stride = SLICES / 2u; stride > 0u; stride /= 2u) {
    for (var i = lane; i < ROWS * COLUMNS * stride; i += WG) {
      let at = i / stride * SLICES + i % stride;
      partial[at] += partial[at + stride];
    }
    workgroupBarrier();
  }
  for (var i = lane; i < ROWS * COLUMNS; i += WG) {
    store(i / COLUMNS, first + i % COLUMNS, partial[i * SLICES]);
  }
}
