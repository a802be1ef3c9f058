// result[lane] = subgroup_size, for the test of the reported sizes.
@group(0) @binding(0) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) size: u32) {
  result[lane] = size * SUBGROUPS;
}
