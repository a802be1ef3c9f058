// y = alpha * op(a) * op(b) + beta * c. A workgroup owns TM rows by 64 columns of one batch and steps through K.
#include "kernels/common/flat_id.wgsl"
#include "kernels/matmul/matmul_common.wgsl"
#include "kernels/matmul/tile.wgsl"

fn load_a(lane: u32, first_row: u32, k: u32) {
  for (var i = lane; i < TM * QUADS; i += WG) {
    // Neighbouring invocations read neighbouring elements: along K, or along rows if a is transposed.
#if TRANS_A
    let local = i % TM;
    let quad = i / TM;
#else
    let local = i / QUADS;
    let quad = i % QUADS;
#endif
    var v = vec4<f32>();
    if (first_row + local < params.m) {
      let start = a_start + (first_row + local) * params.a_row;
      for (var j = 0u; j < 4u; j++) {
        let at = k + 4u * quad + j;
        if (at < params.k) {
          v[j] = f32(a[start + at * params.a_k]);
        }
      }
    }
    a_tile[local * PITCH + quad] = v;
  }
}

fn load_b(lane: u32, first_column: u32, k: u32) {
  for (var i = lane; i < TN * QUADS; i += WG) {
#if TRANS_B
    let local = i / QUADS;
    let quad = i % QUADS;
#else
    let local = i % TN;
    let quad = i / TN;
#endif
    var v = vec4<f32>();
    if (first_column + local < params.n) {
      let start = b_start + (first_column + local) * params.b_column;
      for (var j = 0u; j < 4u; j++) {
        let at = k + 4u * quad + j;
        if (at < params.k) {
          v[j] = f32(b[start + at * params.b_k]);
        }
      }
    }
    b_tile[local * PITCH + quad] = v;
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let row_tiles = (params.m + TM - 1u) / TM;
  let tiles = row_tiles * ((params.n + TN - 1u) / TN);
  if (flat >= tiles * params.batches) {
    return;
  }
  set_batch(flat / tiles);
  let first_row = flat % tiles % row_tiles * TM;
  let first_column = flat % tiles / row_tiles * TN;
  for (var k = 0u; k < params.k; k += STEP) {
    load_a(lane, first_row, k);
    load_b(lane, first_column, k);
    workgroupBarrier();
    multiply_tile(lane);
    workgroupBarrier();
  }
  for (var i = 0u; i < THREAD_ROWS; i++) {
    for (var j = 0u; j < 4u; j++) {
      store(first_row + lane / 16u + 8u * i, first_column + lane % 16u + 16u * j, sums[i][j]);
    }
  }
}
