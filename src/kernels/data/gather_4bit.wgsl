// y[m, j, i] = (q[m, indices[j], i] - zero) * scale; scale and zero point by block along another axis. One thread an
// element.
#include "kernels/common/flat_id.wgsl"

struct Params {
  count: u32,
  picked: u32,
  axis: u32,
  inner: u32,
  quantized: u32,
  quantized_inner: u32,
  blocks: u32,
  block_shift: u32,
}

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read> scales: array<S>;
@group(0) @binding(3) var<storage, read> zero_points: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<Y>;
@group(0) @binding(5) var<uniform> params: Params;

fn four_bits(word: u32, at: u32) -> f32 {
#if SIGNED
  return f32(bitcast<i32>(word << (28u - at % 8u * 4u)) >> 28u);
#else
  return f32((word >> (at % 8u * 4u)) & 15u);
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
  let index = indices[i / params.inner % params.picked];
  let slice = u32(index) + select(0u, params.axis, index < 0);
  if (slice >= params.axis) {
    y[i] = Y(0.0);
    return;
  }
  let outer = i / params.inner / params.picked;
  let at = (outer * params.axis + slice) * params.inner + i % params.inner;
  let row = at / params.quantized_inner;
  let block = (row % params.quantized) >> params.block_shift;
  let scale = (row / params.quantized * params.blocks + block) * params.quantized_inner + at % params.quantized_inner;
  var value = four_bits(data[at / 8u], at);
#if ZERO_POINTS
  value -= four_bits(zero_points[scale / 8u], scale);
#endif
  y[i] = Y(value * f32(scales[scale]));
}
