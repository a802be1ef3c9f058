// Four neighbouring quantised elements of a little-endian u32 word, as f32; element 0 lies in the lowest bits.
//   unpack_u8(word)            elements 0..3 of 4,  0..255
//   unpack_i8(word)            elements 0..3 of 4,  -128..127
//   unpack_u4(word, half)      elements 4*half..4*half+3 of 8,  0..15
//   unpack_u2(word, quarter)   elements 4*quarter..4*quarter+3 of 16,  0..3
fn unpack_u8(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
}

fn unpack_i8(word: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

fn unpack_u4(word: u32, half: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> (16u * half)) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u));
}

fn unpack_u2(word: u32, quarter: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> (8u * quarter)) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u));
}
