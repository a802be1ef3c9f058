// The weights of SETS matrices that one row is multiplied with, each with bindings of its own from AT_SETS on:
// SET_BINDINGS of them, weights, scales, zero points where there are any (ZP), bias where there is one (HAS_BIAS). The
// functions read the matrix that weight_set names: the same one in a whole workgroup, or a constant.
#if UNIT == 4
alias Words = vec4<u32>;
#elif UNIT == 2
alias Words = vec2<u32>;
#else
alias Words = u32;
#endif
#if ZP == 2
alias ZeroPoint = Z;
#else
alias ZeroPoint = u32;
#endif
@group(0) @binding(AT_SETS) var<storage, read> weights: array<Words>;
@group(0) @binding(AT_SETS + 1u) var<storage, read> scales: array<S>;
#if ZP
@group(0) @binding(AT_SETS + 2u) var<storage, read> zero_points: array<ZeroPoint>;
#endif
#if HAS_BIAS
@group(0) @binding(AT_SETS + SET_BINDINGS - 1u) var<storage, read> bias: array<B>;
#endif
#if SETS != 1
@group(0) @binding(AT_SETS + 1u * SET_BINDINGS) var<storage, read> weights_1: array<Words>;
@group(0) @binding(AT_SETS + 1u * SET_BINDINGS + 1u) var<storage, read> scales_1: array<S>;
#if ZP
@group(0) @binding(AT_SETS + 1u * SET_BINDINGS + 2u) var<storage, read> zero_points_1: array<ZeroPoint>;
#endif
#if HAS_BIAS
@group(0) @binding(AT_SETS + 1u * SET_BINDINGS + SET_BINDINGS - 1u) var<storage, read> bias_1: array<B>;
#endif
#endif
#if SETS == 3 || SETS == 4
@group(0) @binding(AT_SETS + 2u * SET_BINDINGS) var<storage, read> weights_2: array<Words>;
@group(0) @binding(AT_SETS + 2u * SET_BINDINGS + 1u) var<storage, read> scales_2: array<S>;
#if ZP
@group(0) @binding(AT_SETS + 2u * SET_BINDINGS + 2u) var<storage, read> zero_points_2: array<ZeroPoint>;
#endif
#if HAS_BIAS
@group(0) @binding(AT_SETS + 2u * SET_BINDINGS + SET_BINDINGS - 1u) var<storage, read> bias_2: array<B>;
#endif
#endif
#if SETS == 4
@group(0) @binding(AT_SETS + 3u * SET_BINDINGS) var<storage, read> weights_3: array<Words>;
@group(0) @binding(AT_SETS + 3u * SET_BINDINGS + 1u) var<storage, read> scales_3: array<S>;
#if ZP
@group(0) @binding(AT_SETS + 3u * SET_BINDINGS + 2u) var<storage, read> zero_points_3: array<ZeroPoint>;
#endif
#if HAS_BIAS
@group(0) @binding(AT_SETS + 3u * SET_BINDINGS + SET_BINDINGS - 1u) var<storage, read> bias_3: array<B>;
#endif
#endif
var<private> weight_set: u32;

fn weight_words(i: u32) -> Words {
#if SETS == 1
  return weights[i];
#else
  switch weight_set {
    case 1u: {
      return weights_1[i];
    }
#if SETS == 3 || SETS == 4
    case 2u: {
      return weights_2[i];
    }
#endif
#if SETS == 4
    case 3u: {
      return weights_3[i];
    }
#endif
    default: {
      return weights[i];
    }
  }
#endif
}

fn scale_at(i: u32) -> f32 {
#if SETS == 1
  return f32(scales[i]);
#else
  switch weight_set {
    case 1u: {
      return f32(scales_1[i]);
    }
#if SETS == 3 || SETS == 4
    case 2u: {
      return f32(scales_2[i]);
    }
#endif
#if SETS == 4
    case 3u: {
      return f32(scales_3[i]);
    }
#endif
    default: {
      return f32(scales[i]);
    }
  }
#endif
}

#if ZP
fn zero_at(i: u32) -> ZeroPoint {
#if SETS == 1
  return zero_points[i];
#else
  switch weight_set {
    case 1u: {
      return zero_points_1[i];
    }
#if SETS == 3 || SETS == 4
    case 2u: {
      return zero_points_2[i];
    }
#endif
#if SETS == 4
    case 3u: {
      return zero_points_3[i];
    }
#endif
    default: {
      return zero_points[i];
    }
  }
#endif
}
#endif

#if HAS_BIAS
fn bias_at(i: u32) -> f32 {
#if SETS == 1
  return f32(bias[i]);
#else
  switch weight_set {
    case 1u: {
      return f32(bias_1[i]);
    }
#if SETS == 3 || SETS == 4
    case 2u: {
      return f32(bias_2[i]);
    }
#endif
#if SETS == 4
    case 3u: {
      return f32(bias_3[i]);
    }
#endif
    default: {
      return f32(bias[i]);
    }
  }
#endif
}
#endif
