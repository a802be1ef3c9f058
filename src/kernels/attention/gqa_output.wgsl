// The last step of a row: its output, times sigmoid(gate) where there is a gate.
#if HAS_GATE
@group(0) @binding(AT_GATE) var<storage, read> gate: array<vec4<T>>;
#endif
@group(0) @binding(AT_OUT) var<storage, read_write> output: array<vec4<T>>;

// at: in vec4, as in the gate.
fn write_output(at: u32, value: vec4<f32>) {
#if HAS_GATE
  output[at] = vec4<T>(value / (1.0 + exp(-vec4<f32>(gate[at]))));
#else
  output[at] = vec4<T>(value);
#endif
}
