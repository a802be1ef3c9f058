// The activation between an expert's two products. ACT: 0 relu, 1 gelu (tanh form), 2 silu, 3 SwiGLU, 4 identity.
// PAIRED: `linear` is a second projection; SwiGLU takes it into its formula, the others are multiplied by it.
fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(min(-x, 88.0)));
}

fn activate(gate: f32, linear: f32) -> f32 {
#if ACT == 3
  let g = min(gate, params.limit);
  let l = clamp(linear, -params.limit, params.limit);
  return g * sigmoid(params.alpha * g) * (l + params.beta);
#else
#if ACT == 0
  let v = max(gate, 0.0);
#elif ACT == 1
  let t = clamp(0.7978845608 * (gate + 0.044715 * gate * gate * gate), -20.0, 20.0);
  let v = 0.5 * gate * (1.0 + tanh(t));
#elif ACT == 2
  let v = gate * sigmoid(gate);
#else
  let v = gate;
#endif
#if PAIRED
  return v * linear;
#else
  return v;
#endif
#endif
}
