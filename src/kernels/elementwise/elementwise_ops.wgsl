// The operators that need more than a WGSL expression, over F, I, B: float, int and bool, one value or a vector of
// four. NaN is told by its bits, because compilers may assume that there is none.

fn is_nan(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u); }

fn is_inf(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) == U(0x7f800000u); }

// Shifts by 32 or more leave nothing, as in ONNX Runtime's wider types.
fn shift_left(a: U, b: U) -> U { return select(a << (b & U(31u)), U(0u), b > U(31u)); }
fn shift_right(a: U, b: U) -> U { return select(a >> (b & U(31u)), U(0u), b > U(31u)); }

// Not a constant expression: WGSL refuses those that are not finite.
fn nan_value() -> F {
  var bits = U(0x7fc00000u);
  return bitcast<F>(bits);
}

fn min_f(a: F, b: F) -> F { return select(select(min(a, b), b, is_nan(b)), a, is_nan(a)); }
fn max_f(a: F, b: F) -> F { return select(select(max(a, b), b, is_nan(b)), a, is_nan(a)); }

fn sign_f(x: F) -> F { return select(sign(x), x, is_nan(x)); }
// Some devices' exp makes infinity of NaN.
fn exp_f(x: F) -> F { return select(exp(x), x, is_nan(x)); }

// WGSL leaves open what a logarithm or root of a negative number is, and a logarithm of 0.
fn log_f(x: F) -> F {
  let y = select(log(x), F(-1.0) / abs(x), x == F(0.0));
  return select(select(y, nan_value(), x < F(0.0)), x, is_nan(x));
}
fn sqrt_f(x: F) -> F { return select(select(sqrt(x), nan_value(), x < F(0.0)), x, is_nan(x)); }
fn rsqrt_f(x: F) -> F { return select(select(inverseSqrt(x), nan_value(), x < F(0.0)), x, is_nan(x)); }

// WGSL allows quotients an error of 2.5 units in the last place, and some devices make one, but multiplying and adding
// in one step is exact enough to mend it. Where that leads out of the finite numbers the quotient stays.
fn div_f(a: F, b: F) -> F {
  let q = a / b;
  let mended = fma(fma(-q, b, a), F(1.0) / b, q);
  return select(q, mended, (bitcast<U>(mended) & U(0x7fffffffu)) < U(0x7f800000u));
}

fn sigmoid_f(x: F) -> F { return F(1.0) / (F(1.0) + exp_f(-x)); }

// Some devices compute tanh from exp(2x), which overflows.
fn tanh_f(x: F) -> F { return select(tanh(clamp(x, F(-15.0), F(15.0))), x, is_nan(x)); }

// max(x, 0) + log(1 + e), e = exp(-|x|): the series where 1 + e would lose e.
fn softplus_f(x: F) -> F {
  let e = exp(-abs(x));
  let y = max(x, F(0.0)) + select(log(F(1.0) + e), e - F(0.5) * e * e, e < F(0.001));
  return select(y, x, is_nan(x));
}

// sin(x + quarters * pi / 2), as in Cephes' sinf: pi / 2 in three parts taken off, then polynomials on [-pi / 4, pi /
// 4]. The builtin is only good to 2^-11, which is too little for rotary tables. Error below 1e-6 up to 8,192 and 1e-5
// up to 100,000.
fn sine(x: F, quarters: I) -> F {
  let k = round(x * F(0.6366197723675814));
  let r = ((x - k * F(1.5703125)) - k * F(0.00048375129699707031)) - k * F(7.5497899548918821e-8);
  let s = r * r;
  let odd = r + r * s * (F(-0.16666654611) + s * (F(0.0083321608736) + s * F(-0.00019515295891)));
  let tail = F(0.041666645683) + s * (F(-0.0013887316255) + s * F(0.000024433157118));
  let even = F(1.0) - F(0.5) * s + s * s * tail;
  let q = (I(clamp(k, F(-100000.0), F(100000.0))) + quarters) & I(3);
  var y = select(odd, even, (q & I(1)) == I(1));
  y = select(y, -y, q >= I(2));
  return select(y, nan_value(), (bitcast<U>(x) & U(0x7fffffffu)) >= U(0x7f800000u));
}

fn sin_f(x: F) -> F { return select(sine(x, I(0)), sin(x), (abs(x) > F(100000.0)) & (abs(x) < F(3.0e38))); }
fn cos_f(x: F) -> F { return select(sine(x, I(1)), cos(x), (abs(x) > F(100000.0)) & (abs(x) < F(3.0e38))); }

// Near 0 the Taylor series; from 1 on formula 7.1.26 of Abramowitz and Stegun, absolute error below 1.5e-7.
fn erf_f(x: F) -> F {
  let a = abs(x);
  let s = a * a;
  var p = F(1.3122532963802806e-08);
  p = F(-1.4503852223150468e-07) + s * p;
  p = F(1.4589169000933706e-06) + s * p;
  p = F(-1.3227513227513228e-05) + s * p;
  p = F(0.00010683760683760684) + s * p;
  p = F(-0.0007575757575757576) + s * p;
  p = F(0.004629629629629629) + s * p;
  p = F(-0.023809523809523808) + s * p;
  p = F(0.1) + s * p;
  p = F(-0.3333333333333333) + s * p;
  let near = F(1.1283791670955126) * a * (F(1.0) + s * p);
  let t = F(1.0) / (F(1.0) + F(0.3275911) * a);
  var q = F(-1.453152027) + t * F(1.061405429);
  q = F(1.421413741) + t * q;
  q = F(-0.284496736) + t * q;
  q = t * (F(0.254829592) + t * q);
  let far = F(1.0) - q * exp(-s);
  let y = select(far, near, a < F(1.0));
  return select(select(y, -y, x < F(0.0)), x, is_nan(x));
}

fn gelu_f(x: F) -> F { return F(0.5) * x * (F(1.0) + erf_f(x * F(0.7071067811865476))); }

// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)).
fn gelu_tanh_f(x: F) -> F {
  let u = F(0.7978845608028654) * (x + F(0.044715) * x * x * x);
  return x / (F(1.0) + exp(F(-2.0) * u));
}

// As C's pow; exponents that models use go without a logarithm.
fn pow_f(a: F, b: F) -> F {
  let m = abs(a);
  var y = pow(m, b);
  y = select(y, select(F(0.0), F(1.0) / m, b < F(0.0)), m == F(0.0));
  y = select(y, m * m, b == F(2.0));
  y = select(y, m * m * m, b == F(3.0));
  y = select(y, sqrt(m), b == F(0.5));
  y = select(y, m, b == F(1.0));
  let whole = floor(b) == b;
  let odd = whole & (abs(b) < F(16777216.0)) & ((I(clamp(b, F(-16777216.0), F(16777216.0))) & I(1)) == I(1));
  let negative = (bitcast<U>(a) >> U(31u)) == U(1u);
  y = select(y, -y, negative & odd);
  let finite = (bitcast<U>(m) < U(0x7f800000u)) & (m > F(0.0));
  y = select(y, nan_value(), negative & finite & !whole);
  y = select(y, nan_value(), is_nan(a) | is_nan(b));
  y = select(y, F(1.0), (m == F(1.0)) & (!negative | (abs(b) > F(3.0e38))));
  return select(y, F(1.0), b == F(0.0));
}

// Exponentiation by squaring, wrapping; a negative exponent leaves 1 / a^|b| without its fraction (0 for a = 0).
fn pow_i(a: I, b: I) -> I {
  var result = I(1);
  var factor = a;
  var rest = bitcast<U>(abs(b));
  for (var bit = 0u; bit < 32u; bit++) {
    result = select(result, result * factor, (rest & U(1u)) == U(1u));
    factor *= factor;
    rest = rest >> U(1u);
  }
  return select(result, select(I(0), result, abs(a) == I(1)), b < I(0));
}

// The remainder with the dividend's sign. SPIR-V leaves that of negative operands open, and drivers use it: hence from
// the quotient.
fn rem_i(a: I, b: I) -> I { return select(a - (a / b) * b, I(0), b == I(0)); }

fn rem_u(a: U, b: U) -> U { return select(a % b, U(0u), b == U(0u)); }

// The remainder with the divisor's sign.
fn mod_i(a: I, b: I) -> I {
  let r = rem_i(a, b);
  return select(r, r + b, (r != I(0)) & ((r < I(0)) != (b < I(0))));
}

// The remainder with the dividend's sign; x % inf is x. Where division is not exactly rounded the quotient that a % b
// takes may be off by one: then the remainder is as large as the divisor, or has the other sign.
fn fmod_f(a: F, b: F) -> F {
  let m = abs(b);
  let big = bitcast<U>(b) << U(1u) == U(0xff000000u);
  let finite = (bitcast<U>(a) & U(0x7fffffffu)) < U(0x7f800000u);
  var r = a % b;
  r = select(r, r + select(m, -m, r > F(0.0)), (abs(r) >= m) & !big);
  r = select(r, r + select(-m, m, a > F(0.0)), (r != F(0.0)) & ((r < F(0.0)) != (a < F(0.0))) & !big);
  return select(r, a, big & finite);
}

// max(a, 0) that keeps NaN: by its bits, since a driver may turn a comparison and select into a maximum that drops it.
fn relu_f(a: F) -> F {
  let bits = bitcast<U>(a);
  return select(a, F(0.0), (bits > U(0x7fffffffu)) & (bits <= U(0xff800000u)));
}
