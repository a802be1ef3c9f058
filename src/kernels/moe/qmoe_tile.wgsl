// One tile of an expert's product: TM entries of the sorted list (qmoe_sort.wgsl) by 64 weight rows.
// STAGE 0: out[position] = the plain product with x of the entry's token (fc3); 1: activated; 2: activated and
// multiplied by what stage 0 left in its place; 3: out[entry] = product with x[position] (fc2). With FUSED the 64 rows
// are 32 gate and their 32 linear rows, so that an invocation holds both halves of its outputs.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
#if X_ACCESS == 0
@group(0) @binding(0) var<storage, read> x: array<X>;
#else
@group(0) @binding(0) var<storage, read> x: array<vec4<X>>;
#endif
@group(0) @binding(5) var<storage, read> plan: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

#include "kernels/moe/activation.wgsl"
#include "kernels/matmul/tile.wgsl"
#include "kernels/matmul/nbits_tile.wgsl"

#if FUSED
const OUTPUTS: u32 = 32u;  // of a tile
#else
const OUTPUTS: u32 = 64u;
#endif
const NO_ENTRY: u32 = 0xffffffffu;
var<workgroup> entries: array<u32, TM>;
var<private> first_output: u32;
var<private> first_position: u32;
var<private> expert_row: u32;  // first weight row of the expert

fn weight_row(column: u32) -> u32 {
  let i = first_output + column % OUTPUTS;
  if (i >= params.rows * OUTPUTS / 64u) {
    return NO_ROW;
  }
#if FUSED == 1
  return expert_row + 2u * i + column / 32u;
#elif FUSED == 2
  return expert_row + column / 32u * params.inner + i;
#else
  return expert_row + i;
#endif
}

fn load_x(lane: u32, k: u32) {
  for (var i = lane; i < TM * QUADS; i += WG) {
    let local = i / QUADS;
    let at = k + 4u * (i % QUADS);
    var v = vec4<f32>();
    if (entries[local] != NO_ENTRY) {
#if STAGE == 3
      let start = (first_position + local) * params.k;
#else
      let start = (params.first_token + entries[local] / params.top) * params.k;
#endif
#if X_ACCESS == 0
      for (var j = 0u; j < 4u; j++) {
        if (at + j < params.k) {
          v[j] = f32(x[start + at + j]);
        }
      }
#else
      if (at < params.k) {
        v = vec4<f32>(x[(start + at) / 4u]);
      }
#endif
    }
    a_tile[local * PITCH + i % QUADS] = v;
  }
}

fn biased(column: u32, sum: f32) -> f32 {
#if HAS_BIAS
  return sum + f32(bias[weight_row(column)]);
#else
  return sum;
#endif
}

// Stores output i of a local row from the sum(s) of its column(s).
fn store(local: u32, column: u32, gate: f32, linear: f32) {
  let i = first_output + column;
  if (entries[local] == NO_ENTRY || weight_row(column) == NO_ROW) {
    return;
  }
#if STAGE == 3
  out[entries[local] * params.hidden + i] = biased(column, gate);
#else
  let at = (first_position + local) * params.inner + i;
#if FUSED
  out[at] = activate(biased(column, gate), biased(column + 32u, linear));
#elif STAGE == 0
  out[at] = biased(column, gate);
#elif STAGE == 1
  out[at] = activate(biased(column, gate), 0.0);
#else
  out[at] = activate(biased(column, gate), out[at]);
#endif
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let tile = flat / params.tiles;
  if (tile >= plan[0]) {
    return;
  }
  expert_row = plan[1u + 3u * tile] * params.rows;
  first_position = plan[2u + 3u * tile];
  let end = plan[3u + 3u * tile];
  first_output = flat % params.tiles * OUTPUTS;
  for (var i = lane; i < TM; i += WG) {
    entries[i] = NO_ENTRY;
    if (first_position + i < end) {
      entries[i] = plan[params.head + first_position + i];
    }
  }
  workgroupBarrier();
  for (var k = 0u; k < params.k; k += STEP) {
    load_x(lane, k);
    load_weights(lane, k);
    workgroupBarrier();
    multiply_tile(lane);
    workgroupBarrier();
  }
  for (var i = 0u; i < THREAD_ROWS; i++) {
    let local = lane / 16u + 8u * i;
    let column = lane % 16u;
#if FUSED
    store(local, column, sums[i].x, sums[i].z);
    store(local, column + 16u, sums[i].y, sums[i].w);
#else
    for (var j = 0u; j < 4u; j++) {
      store(local, column + 16u * j, sums[i][j], 0.0);
    }
#endif
  }
}
