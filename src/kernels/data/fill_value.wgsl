// A T of the given bits: those of a 32-bit word, or of a float32 that is rounded to float16.
fn fill_value(bits: u32) -> T {
#if T == f16
  return T(bitcast<f32>(bits));
#else
  return T(bits);
#endif
}
