// y[i] = x[i] * factor, the shader of the device's own tests; one invocation an element, workgroup counts folded.
struct Params {
  count: u32,
  factor: f32,
  pad0: u32,
  pad1: u32,
}
@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((id.z * n.y + id.y) * n.x + id.x) * WG + lane;
  if (i < params.count) {
    y[i] = T(f32(x[i]) * params.factor);
  }
}
