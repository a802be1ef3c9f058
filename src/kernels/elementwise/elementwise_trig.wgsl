// Inverse trigonometric and hyperbolic functions, as in Cephes' single-precision library: the builtins of WGSL may be off
// by thousands of units in the last place. Relative error below 1e-6. Odd functions are computed of |x| and given x's sign,
// so that -0 stays; NaN stays NaN.

fn with_sign(y: F, x: F) -> F {
  let signed = bitcast<F>(bitcast<U>(y) | (bitcast<U>(x) & U(0x80000000u)));
  return select(signed, x, is_nan(x));
}

fn tan_f(x: F) -> F { return select(sin_f(x) / cos_f(x), x, x == F(0.0)); }

fn atan_f(x: F) -> F {
  let a = abs(x);
  let big = a > F(2.414213562373095);
  let middle = (a > F(0.4142135623730950)) & !big;
  let start = select(select(F(0.0), F(0.7853981633974483), middle), F(1.5707963267948966), big);
  let r = select(select(a, (a - F(1.0)) / (a + F(1.0)), middle), F(-1.0) / a, big);
  let z = r * r;
  let p = ((F(8.05374449538e-2) * z - F(1.38776856032e-1)) * z + F(1.99777106478e-1)) * z - F(3.33329491539e-1);
  return with_sign(start + (p * z * r + r), x);
}

// asin of r, z = r * r, for r up to 0.5.
fn asin_near(r: F, z: F) -> F {
  let p = (F(4.2163199048e-2) * z + F(2.4181311049e-2)) * z + F(4.5470025998e-2);
  return ((p * z + F(7.4953002686e-2)) * z + F(1.6666752422e-1)) * z * r + r;
}

fn asin_f(x: F) -> F {
  let a = abs(x);
  let far = a > F(0.5);
  let z = select(a * a, F(0.5) * (F(1.0) - a), far);
  let p = asin_near(select(a, sqrt_f(z), far), z);
  let y = with_sign(select(p, F(1.5707963267948966) - F(2.0) * p, far), x);
  return select(y, nan_value(), a > F(1.0));
}

fn acos_f(x: F) -> F {
  let a = abs(x);
  let far = a > F(0.5);
  let z = select(a * a, F(0.5) * (F(1.0) - a), far);
  let p = asin_near(select(a, sqrt_f(z), far), z);
  let y = select(F(1.5707963267948966) - with_sign(p, x), select(F(2.0) * p, F(3.141592653589793) - F(2.0) * p, x < F(0.0)), far);
  return select(select(y, nan_value(), a > F(1.0)), x, is_nan(x));
}

// exp(a) is taken as a square, which reaches as far as the result does.
fn sinh_f(x: F) -> F {
  let a = abs(x);
  let z = a * a;
  let near = ((F(2.03721912945e-4) * z + F(8.33028376239e-3)) * z + F(1.66667160211e-1)) * z * a + a;
  let h = exp(F(0.5) * a);
  return with_sign(select(F(0.5) * h * h - F(0.5) / (h * h), near, a < F(1.0)), x);
}

fn cosh_f(x: F) -> F {
  let h = exp(F(0.5) * abs(x));
  return select(F(0.5) * h * h + F(0.5) / (h * h), x, is_nan(x));
}

fn asinh_f(x: F) -> F {
  let a = abs(x);
  let z = a * a;
  let p = (F(2.0122003309e-2) * z - F(4.2699340972e-2)) * z + F(7.4847586088e-2);
  let near = (p * z - F(1.6666288134e-1)) * z * a + a;
  let far = select(log_f(a + sqrt(z + F(1.0))), log_f(a) + F(0.6931471805599453), a > F(10000.0));
  return with_sign(select(far, near, a < F(0.5)), x);
}

fn acosh_f(x: F) -> F {
  let z = x - F(1.0);
  let p = ((F(1.7596881071e-3) * z - F(7.5272886713e-3)) * z + F(2.6454905019e-2)) * z - F(1.1784741703e-1);
  let near = (p * z + F(1.4142135263)) * sqrt_f(z);
  let far = select(log_f(x + sqrt_f(z * (x + F(1.0)))), log_f(x) + F(0.6931471805599453), x > F(10000.0));
  return select(select(select(far, near, z < F(0.5)), nan_value(), x < F(1.0)), x, is_nan(x));
}

fn atanh_f(x: F) -> F {
  let a = abs(x);
  let z = a * a;
  let p = ((F(1.81740078349e-1) * z + F(8.24370301058e-2)) * z + F(1.46691431730e-1)) * z + F(1.99782164500e-1);
  let near = (p * z + F(3.33337300303e-1)) * z * a + a;
  // At 1 the logarithm is of 0.
  let far = F(-0.5) * log_f((F(1.0) - a) / (F(1.0) + a));
  return select(with_sign(select(far, near, a < F(0.5)), x), nan_value(), a > F(1.0));
}
