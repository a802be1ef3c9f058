// The largest magnitude of four numbers as bits, which are above those of every number where there is a NaN.
fn magnitude_bits(v: vec4<f32>) -> u32 {
  let bits = bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
  return max(max(bits.x, bits.y), max(bits.z, bits.w));
}
