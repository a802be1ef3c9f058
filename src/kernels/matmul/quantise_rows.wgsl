// Rows of activations as 8-bit integers for packed dot products (activation_bytes.wgsl), in blocks of 32 along a row,
// an invocation for every 16 values. A block that holds an infinity or a NaN gets NaN as its scale.
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
const VALUES: u32 = 32u / BITS;
#include "kernels/matmul/activation_bytes.wgsl"

const INFINITY: u32 = 0x7f800000u;
const LEAST: u32 = 0x0d800000u;  // bits of 2^-100: what is smaller counts as 0
var<workgroup> largest_of: array<u32, WG>;

fn bytes_of(quads: array<vec4<f32>, 4>, inverse: f32) -> vec4<u32> {
  var bytes = vec4<u32>();
  for (var i = 0u; i < 4u; i++) {
    var word = WordValues();
    for (var quad = 0u; quad < VALUES / 4u; quad++) {
      word[quad] = quads[i / PARTS * (VALUES / 4u) + quad];
    }
    bytes[i] = part_of(word, inverse, i % PARTS);
  }
  return bytes;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let own = flat_workgroup(id, count) * WG + lane;
  let half = min(own, 2u * params.blocks - 1u);
  var quads = array<vec4<f32>, 4>();
  var most = 0u;
  for (var quad = 0u; quad < 4u; quad++) {
    quads[quad] = vec4<f32>(x[4u * half + quad]);
    most = max(most, magnitude_bits(quads[quad]));
  }
  largest_of[lane] = most;
  workgroupBarrier();
  if (own != half) {
    return;
  }
  let largest = max(largest_of[lane], largest_of[lane ^ 1u]);
  let limit = bitcast<f32>(largest);
  let finite = largest < INFINITY;
  q[half] = bytes_of(quads, select(0.0, MOST / limit, largest > LEAST && finite));
  if (half % 2u == 0u) {
    let scale = select(0.0, limit / MOST, largest > LEAST);
    scales[half / 2u] = select(bitcast<f32>(largest | 0x7fc00000u), scale, finite);
  }
}
