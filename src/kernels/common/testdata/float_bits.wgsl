// keys[i] = order_key(x[i]), back[i] = from_order_key(keys[i]), nan[i] = is_nan(x[i]),
// halves[i] = nearest_half(x[i]); tests float_bits.wgsl.
#include "kernels/common/float_bits.wgsl"
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> back: array<u32>;
@group(0) @binding(3) var<storage, read_write> nan: array<u32>;
@group(0) @binding(4) var<storage, read_write> halves: array<u32>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3<u32>) {
  let v = bitcast<f32>(x[id.x]);
  keys[id.x] = order_key(v);
  back[id.x] = bitcast<u32>(from_order_key(order_key(v)));
  nan[id.x] = u32(is_nan(v));
  halves[id.x] = bitcast<u32>(nearest_half(v));
}
