// What the TopK kernels share: columns along the axis of x, and keys whose ascending order, equals by their index, is
// the order of the result. X is the type of x's words; KIND tells what they hold: 0 floats, 1 i32, 2 u32, 3 bytes.
// FIRST: keys are made from x, else read from `source`, pairs (key, index in the column).
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
  size: u32,          // elements of a block
  out_n: u32,         // elements of a column that are written
  shift: u32,         // of the radix digit
  pad: u32,
}
@group(0) @binding(AT_X) var<storage, read> x: array<X>;
#if HAS_SOURCE
@group(0) @binding(AT_SOURCE) var<storage, read> source: array<vec2<u32>>;
#endif
#if HAS_VALUES
@group(0) @binding(AT_VALUES) var<storage, read_write> values: array<X>;
#endif
#if HAS_INDICES
@group(0) @binding(AT_INDICES) var<storage, read_write> indices: array<i32>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

// Element i of a column of a tensor with `size` elements along the axis.
fn element_at(column: u32, size: u32, i: u32) -> u32 {
  let c = params.first_column + column;
  return (c / params.stride * size + i) * params.stride + c % params.stride;
}

fn x_key(column: u32, i: u32) -> u32 {
  let at = element_at(column, params.axis, i);
#if KIND == 0
  let bits = bitcast<u32>(f32(x[at]));
  return order_key(bitcast<f32>(select(bits, 0u, bits == 0x80000000u))) ^ params.flip;
#elif KIND == 1
  return (bitcast<u32>(x[at]) ^ 0x80000000u) ^ params.flip;
#elif KIND == 2
  return x[at] ^ params.flip;
#else
  return ((x[at / 4u] >> (8u * (at % 4u))) & 255u) ^ params.flip;
#endif
}

fn key_at(column: u32, i: u32) -> u32 {
#if HAS_SOURCE
  return source[column * params.n + i].x;
#else
  return x_key(column, i);
#endif
}

// The place in the column of x of the i-th element.
fn origin_at(column: u32, i: u32) -> u32 {
#if HAS_SOURCE
  return source[column * params.n + i].y;
#else
  return i;
#endif
}

#if HAS_INDICES
// Bytes share words: their values are written by a kernel of their own.
fn store_result(column: u32, rank: u32, origin: u32) {
  let to = element_at(column, params.k, rank);
#if HAS_VALUES
  values[to] = x[element_at(column, params.axis, origin)];
#endif
  indices[to] = i32(origin);
}
#endif
