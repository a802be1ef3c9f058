// y[m, n] = sum_k a[m, k] * (q[n, k] - zero[n, k / BLOCK]) * scale[n, k / BLOCK] (+ bias[n]) (+ residual[m, n]).
// A workgroup owns TM rows by 64 columns and steps through K, dequantising weights into workgroup memory.
struct Params {
  m: u32,
  rows: u32,  // n
  k: u32,
  row_pitch: u32,
  blocks: u32,
  zero_pitch: u32,
  column_tiles: u32,
  row_tiles: u32,
}
#if X_ACCESS == 0
@group(0) @binding(0) var<storage, read> a: array<X>;
#else
@group(0) @binding(0) var<storage, read> a: array<vec4<X>>;
#endif
@group(0) @binding(5) var<storage, read> residual: array<R>;
@group(0) @binding(6) var<storage, read_write> y: array<Y>;
@group(0) @binding(7) var<uniform> params: Params;

#include "kernels/common/flat_id.wgsl"
#include "kernels/matmul/tile.wgsl"
#include "kernels/matmul/nbits_tile.wgsl"

var<private> first_column: u32;

fn weight_row(column: u32) -> u32 {
  return select(NO_ROW, first_column + column, first_column + column < params.rows);
}

fn load_a(lane: u32, first_row: u32, k: u32) {
  for (var i = lane; i < TM * QUADS; i += WG) {
    let row = first_row + i / QUADS;
    let at = k + 4u * (i % QUADS);
    var v = vec4<f32>();
    if (row < params.m) {
#if X_ACCESS == 0
      for (var j = 0u; j < 4u; j++) {
        if (at + j < params.k) {
          v[j] = f32(a[row * params.k + at + j]);
        }
      }
#else
      if (at < params.k) {
        v = vec4<f32>(a[(row * params.k + at) / 4u]);
      }
#endif
    }
    a_tile[i / QUADS * PITCH + i % QUADS] = v;
  }
}

fn store(m: u32, n: u32, sum: f32) {
  if (m >= params.m || n >= params.rows) {
    return;
  }
  var v = sum;
#if HAS_BIAS
  v += f32(bias[n]);
#endif
#if HAS_RESIDUAL
  v += f32(residual[m * params.rows + n]);
#endif
  y[m * params.rows + n] = Y(v);
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let tile = flat_workgroup(id, count);
  if (tile >= params.row_tiles * params.column_tiles) {
    return;
  }
  // Neighbouring workgroups share weights: rows vary fastest.
  let first_row = tile % params.row_tiles * TM;
  first_column = tile / params.row_tiles * TN;
  for (var k = 0u; k < params.k; k += STEP) {
    load_a(lane, first_row, k);
    load_weights(lane, k);
    workgroupBarrier();
    multiply_tile(lane);
    workgroupBarrier();
  }
  for (var i = 0u; i < THREAD_ROWS; i++) {
    let m = first_row + lane / 16u + 8u * i;
    for (var j = 0u; j < 4u; j++) {
      store(m, first_column + lane % 16u + 16u * j, sums[i][j]);
    }
  }
}
