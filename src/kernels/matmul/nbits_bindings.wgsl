// One matrix (or the matrices of experts that follow one another) in bindings 1 to 4. What is absent is bound all the
// same, to something else; without zero points binding 3 is the includer's to declare.
#if BITS == 0 && UNIT == 4
@group(0) @binding(1) var<storage, read> weights: array<vec4<W>>;
#elif BITS == 0
@group(0) @binding(1) var<storage, read> weights: array<W>;
#elif UNIT == 4
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
#elif UNIT == 2
@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;
#else
@group(0) @binding(1) var<storage, read> weights: array<u32>;
#endif
@group(0) @binding(2) var<storage, read> scales: array<S>;
#if ZP == 2
alias ZeroPoint = Z;
#else
alias ZeroPoint = u32;
#endif
#if ZP
@group(0) @binding(3) var<storage, read> zero_points: array<ZeroPoint>;
#endif
@group(0) @binding(4) var<storage, read> bias: array<B>;

fn scale_at(i: u32) -> f32 {
  return f32(scales[i]);
}

#if ZP
fn zero_at(i: u32) -> ZeroPoint {
  return zero_points[i];
}
#endif
