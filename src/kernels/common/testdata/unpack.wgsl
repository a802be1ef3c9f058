// Everything that unpack.wgsl takes out of one word, 48 floats a word in the order u8, i8, u4, u2 and zeros, to test it.
#include "kernels/common/unpack.wgsl"
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3<u32>) {
  let word = words[id.x];
  let at = id.x * 12u;
  result[at] = unpack_u8(word);
  result[at + 1u] = unpack_i8(word);
  for (var half = 0u; half < 2u; half++) { result[at + 2u + half] = unpack_u4(word, half); }
  for (var quarter = 0u; quarter < 4u; quarter++) { result[at + 4u + quarter] = unpack_u2(word, quarter); }
}
