// Activations as 8-bit integers for packed dot products: x = q * scale in blocks of 32 along a row, scale = max |x| /
// 127, an invocation for every 16 values. Their order is that of the weights' bits: word j of every 32 / BITS values
// holds those at j + 8 / BITS * (0, 1, 2, 3), so that a weight word under a mask has them in the same bytes. A block
// that holds an infinity or a NaN gets NaN as its scale.
struct Params {
  blocks: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4<X>>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

#include "kernels/common/flat_id.wgsl"
#include "kernels/matmul/magnitude.wgsl"

const INFINITY: u32 = 0x7f800000u;
const LEAST: u32 = 0x0d800000u;  // bits of 2^-100: what is smaller counts as 0
var<workgroup> largest_of: array<u32, WG>;

fn packed(v: vec4<f32>) -> u32 {
  let bytes = (bitcast<vec4<u32>>(vec4<i32>(round(v))) & vec4<u32>(0xffu)) << vec4<u32>(0u, 8u, 16u, 24u);
  return bytes.x | bytes.y | bytes.z | bytes.w;
}

fn in_order_of_bits(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> vec4<u32> {
#if BITS == 8
  return vec4<u32>(packed(a), packed(b), packed(c), packed(d));
#elif BITS == 4
  return vec4<u32>(packed(vec4<f32>(a.xz, b.xz)), packed(vec4<f32>(a.yw, b.yw)), packed(vec4<f32>(c.xz, d.xz)),
                   packed(vec4<f32>(c.yw, d.yw)));
#else
  return vec4<u32>(packed(vec4<f32>(a.x, b.x, c.x, d.x)), packed(vec4<f32>(a.y, b.y, c.y, d.y)),
                   packed(vec4<f32>(a.z, b.z, c.z, d.z)), packed(vec4<f32>(a.w, b.w, c.w, d.w)));
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let own = flat_workgroup(id, count) * WG + lane;
  let half = min(own, 2u * params.blocks - 1u);
  let a = vec4<f32>(x[4u * half]);
  let b = vec4<f32>(x[4u * half + 1u]);
  let c = vec4<f32>(x[4u * half + 2u]);
  let d = vec4<f32>(x[4u * half + 3u]);
  largest_of[lane] = max(max(magnitude_bits(a), magnitude_bits(b)), max(magnitude_bits(c), magnitude_bits(d)));
  workgroupBarrier();
  if (own != half) {
    return;
  }
  let largest = max(largest_of[lane], largest_of[lane ^ 1u]);
  let limit = bitcast<f32>(largest);
  let finite = largest < INFINITY;
  let factor = select(0.0, 127.0 / limit, largest > LEAST && finite);
  q[half] = in_order_of_bits(a * factor, b * factor, c * factor, d * factor);
  if (half % 2u == 0u) {
    let scale = select(0.0, limit / 127.0, largest > LEAST);
    scales[half / 2u] = select(bitcast<f32>(largest | 0x7fc00000u), scale, finite);
  }
}
