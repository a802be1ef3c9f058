// Activations as 8-bit integers for packed dot products: x = q * scale in blocks of 32 along a row, scale = max |x| / 127,
// one invocation a block. The order of the values is that of the weights' bits: word j of every 32 / BITS values holds
// those at j + 8 / BITS * (0, 1, 2, 3), so that a weight word under a mask has them in the same bytes. A block that holds
// an infinity or a NaN gets NaN as its scale.
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

const STRIDE: u32 = 8u / BITS;
const INFINITY: u32 = 0x7f800000u;
const LEAST: u32 = 0x0d800000u;  // bits of 2^-100: what is smaller counts as 0

var<private> values: array<f32, 32>;

fn load(block: u32) -> u32 {
  var largest = 0u;
  for (var i = 0u; i < 8u; i++) {
    let v = vec4<f32>(x[8u * block + i]);
    for (var j = 0u; j < 4u; j++) {
      values[4u * i + j] = v[j];
      largest = max(largest, bitcast<u32>(v[j]) & 0x7fffffffu);
    }
  }
  return largest;
}

fn packed(first: u32, factor: f32) -> u32 {
  var word = 0u;
  for (var i = 0u; i < 4u; i++) {
    word |= (u32(i32(round(values[first + STRIDE * i] * factor))) & 0xffu) << (8u * i);
  }
  return word;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let block = flat_workgroup(id, count) * WG + lane;
  if (block >= params.blocks) {
    return;
  }
  let largest = load(block);
  let limit = bitcast<f32>(largest);
  let finite = largest < INFINITY;
  let factor = select(0.0, 127.0 / limit, largest > LEAST && finite);
  scales[block] = select(bitcast<f32>(largest | 0x7fc00000u), select(0.0, limit / 127.0, largest > LEAST), finite);
  for (var half = 0u; half < 2u; half++) {
    var words = vec4<u32>();
    for (var i = 0u; i < 4u; i++) {
      let word = 4u * half + i;
      words[i] = packed(word / STRIDE * (4u * STRIDE) + word % STRIDE, factor);
    }
    q[2u * block + half] = words;
  }
}
