// score = softcap(scale * q.k) + bias, or kMasked where the row does not see the key.
#if HAS_BIAS
@group(0) @binding(AT_BIAS) var<storage, read> bias: array<BT>;
#endif

fn bias_offset(b: u32, kv_head: u32, row: u32) -> u32 {
  let head = kv_head * params.group + row % params.group;
  return b * params.bias_batch + head * params.bias_head + row / params.group * params.bias_row;
}

fn score(dot: f32, visible: bool, bias_at: u32, key: i32) -> f32 {
  if (!visible) { return kMasked; }
  var value = dot;
#if SOFTCAP
  // Some drivers' tanh overflows for large arguments; beyond 20 it is 1 in f32.
  value = params.softcap * tanh(clamp(value / params.softcap, -20.0, 20.0));
#endif
#if HAS_BIAS
  // The bias has a column for every key, but that the lengths in memory keep to it is not known.
  value += f32(bias[bias_at + min(u32(key), params.bias_row - 1u)]);
#endif
  return value;
}

// exp(score - m) with m >= kMasked.
fn weight(score: f32, m: f32) -> f32 {
  return select(exp(score - m), 0.0, score <= kMasked);
}
