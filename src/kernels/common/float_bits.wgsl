// Floats as bit patterns, for where compilers may assume that there is no NaN.
//   is_nan(v)
//   order_key(v)    u32 that sorts like the number: -inf < ... < -0 < +0 < ... < +inf < NaN of either sign
//   from_order_key(k)   the float again (any NaN gives a NaN)
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
