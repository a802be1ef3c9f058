// What the TopK kernels share: columns along the axis of x, and pairs (key, index) whose ascending order is the order
// of the result. T is the type of x; with INTEGER it is i32. FIRST: pairs are made from x, else read from `source`.
#include "kernels/common/float_bits.wgsl"
#include "kernels/common/flat_id.wgsl"

struct Params {
  columns: u32,       // of this run of the kernels
  first_column: u32,  // of them, in x
  n: u32,             // elements of a column of x, or of source
  axis: u32,          // elements of a column of x
  stride: u32,        // between them
  k: u32,
  flip: u32,          // all ones: largest first
  blocks: u32,        // of a column
  out_n: u32,         // pairs of a column that are written
  shift: u32,         // of the radix digit
  pad0: u32,
  pad1: u32,
}
@group(0) @binding(0) var<storage, read> x: array<T>;

// Element i of a column of a tensor with `size` elements along the axis.
fn element_at(column: u32, size: u32, i: u32) -> u32 {
  let c = params.first_column + column;
  return (c / params.stride * size + i) * params.stride + c % params.stride;
}

fn key_of(v: T) -> u32 {
#if INTEGER
  return (bitcast<u32>(v) ^ 0x80000000u) ^ params.flip;
#else
  let bits = bitcast<u32>(f32(v));
  return order_key(bitcast<f32>(select(bits, 0u, bits == 0x80000000u))) ^ params.flip;
#endif
}

fn pair_at(column: u32, i: u32) -> vec2<u32> {
#if FIRST
  return vec2<u32>(key_of(x[element_at(column, params.axis, i)]), i);
#else
  return source[column * params.n + i];
#endif
}
