// y = (a - a_zero) (b - b_zero) in int32: one workgroup makes a tile of 16 x 16, with tiles of a and b in its memory.
#include "kernels/common/flat_id.wgsl"

struct Params {
  m : u32,
      n : u32,
          k : u32,
              tiles_m : u32,
                        tiles_n : u32,
                                  batches : u32,
                                            a_batch : u32,
                                                      b_batch : u32,
                                                                a_zero_step : u32,
                                                                              b_zero_step : u32,
                                                                                            pad0 : u32,
                                                                                                   pad1 : u32,
}

#if A_BYTES
@group(0) @binding(AT_A) var<storage, read> a : array<u32>;
fn a_at(i : u32)->i32 { return i32((a[i / 4u] >> (8u * (i % 4u))) & 0xffu); }
#else
@group(0) @binding(AT_A) var<storage, read> a : array<i32>;
fn a_at(i : u32)->i32 { return a[i]; }
#endif
#if B_BYTES
@group(0) @binding(AT_B) var<storage, read> b : array<u32>;
fn b_at(i : u32)->i32 { return i32((b[i / 4u] >> (8u * (i % 4u))) & 0xffu); }
#else
@group(0) @binding(AT_B) var<storage, read> b : array<i32>;
fn b_at(i : u32)->i32 { return b[i]; }
#endif
#if HAS_A_ZERO
@group(0) @binding(AT_A_ZERO) var<storage, read> a_zero : array<i32>;
#endif
#if HAS_B_ZERO
@group(0) @binding(AT_B_ZERO) var<storage, read> b_zero : array<i32>;
#endif
@group(0) @binding(AT_Y) var<storage, read_write> y : array<i32>;
@group(0) @binding(AT_PARAMS) var<uniform> params : Params;

const T = 16u;
var<workgroup> a_tile : array<i32, 256>;
var<workgroup> b_tile : array<i32, 256>;

@compute @workgroup_size(256) fn main(@builtin(workgroup_id) group
                                      : vec3<u32>, @builtin(num_workgroups) groups
                                      : vec3<u32>, @builtin(local_invocation_index) lane
                                      : u32) {
  let tile = flat_workgroup(group, groups);
  if (tile >= params.tiles_m * params.tiles_n * params.batches) {
    return;
  }
  let batch = tile / (params.tiles_m * params.tiles_n);
  let row = tile / params.tiles_n % params.tiles_m * T + lane / T;
  let column = tile % params.tiles_n * T + lane % T;
  var a_point = 0;
  var b_point = 0;
#if HAS_A_ZERO
  if (row < params.m) {
    a_point = a_zero[row * params.a_zero_step];
  }
#endif
#if HAS_B_ZERO
  if (column < params.n) {
    b_point = b_zero[column * params.b_zero_step];
  }
#endif
  var sum = 0;
  for (var first = 0u; first < params.k; first += T) {
    let along_a = first + lane % T;
    let along_b = first + lane / T;
    var left = 0;
    var right = 0;
    if (row < params.m && along_a < params.k) {
      left = a_at(batch * params.a_batch + row * params.k + along_a) - a_point;
    }
    if (column < params.n && along_b < params.k) {
      right = b_at(batch * params.b_batch + along_b * params.n + column) - b_point;
    }
    a_tile[lane] = left;
    b_tile[lane] = right;
    workgroupBarrier();
    for (var i = 0u; i < T; i++) {
      sum += a_tile[lane / T * T + i] * b_tile[i * T + lane % T];
    }
    workgroupBarrier();
  }
  if (row < params.m && column < params.n) {
    y[(batch * params.m + row) * params.n + column] = sum;
  }
}
