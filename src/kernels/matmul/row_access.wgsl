// Quads k..k+3 of one row of x that begins at element x_start, zero beyond its end. X_ACCESS: 2 quads, 1 quads checked
// against the end of the row, 0 elements.
fn row_quad(k: u32) -> vec4<f32> {
#if X_ACCESS == 2
  return vec4<f32>(x[(x_start + k) / 4u]);
#elif X_ACCESS == 1
  if (k < params.k) {
    return vec4<f32>(x[(x_start + k) / 4u]);
  }
  return vec4<f32>();
#else
  var v = vec4<f32>();
  for (var i = 0u; i < 4u; i++) {
    if (k + i < params.k) {
      v[i] = f32(x[x_start + k + i]);
    }
  }
  return v;
#endif
}

#if NORM
fn gamma_quad(k: u32) -> vec4<f32> {
#if X_ACCESS == 2
  return vec4<f32>(gamma[k / 4u]);
#elif X_ACCESS == 1
  if (k < params.k) {
    return vec4<f32>(gamma[k / 4u]);
  }
  return vec4<f32>();
#else
  var v = vec4<f32>();
  for (var i = 0u; i < 4u; i++) {
    if (k + i < params.k) {
      v[i] = f32(gamma[k + i]);
    }
  }
  return v;
#endif
}
#endif
