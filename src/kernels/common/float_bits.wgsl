// Floats as bit patterns, for where compilers may assume that there is no NaN.
//   is_nan(v)
//   order_key(v)    u32 that sorts like the number: -inf < ... < -0 < +0 < ... < +inf < NaN of either sign
//   from_order_key(k)   the float again (any NaN gives a NaN)
//   nearest_half(v) v rounded to the nearest of the float16 numbers, of two the even one: compilers may leave out a
//   conversion there and back
fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn order_key(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

fn from_order_key(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}

// In bits, as compilers may take float arithmetic apart. Below the smallest normal float16 number the others are
// multiples of 2^-24.
fn nearest_half(v: f32) -> f32 {
  let bits = bitcast<u32>(v);
  let size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) { return v; }
  let shift = select(13u, min(126u - (size >> 23u), 25u), size < 0x38800000u);
  let digits = select(size, (size & 0x7fffffu) | 0x800000u, shift != 13u);
  let units = (digits + (1u << (shift - 1u)) - 1u + ((digits >> shift) & 1u)) >> shift;
  let nearest = select(min(units << 13u, 0x7f800000u), bitcast<u32>(f32(units) * 0x1p-24), shift != 13u);
  return bitcast<f32>(select(nearest, 0x7f800000u, nearest >= 0x47800000u) | (bits & 0x80000000u));
}
