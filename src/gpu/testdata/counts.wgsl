// counts = (groups, 1, 1), for the indirect dispatch test; params.count is the number of groups.
struct Params {
  count: u32,
  factor: f32,
  pad0: u32,
  pad1: u32,
}
@group(0) @binding(0) var<storage, read_write> counts: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
  counts[0] = params.count;
  counts[1] = 1u;
  counts[2] = 1u;
}
