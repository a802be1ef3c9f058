// past_length += tokens while active; one thread.
struct Params {
  tokens: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<storage, read_write> state: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
  if (state[2] != 0u) { state[0] += params.tokens; }
}
