// y[j, m, c] = (q[indices[j] - first, m, c] - zero[.., c / block]) * scale[.., c / block]; one thread takes 4 bytes of
// packed values of a row. Of a table of `axis` slices, data holds those from `first` on.
#include "kernels/common/flat_id.wgsl"

struct Params {
  words: u32,
  row_words: u32,
  columns: u32,
  row_bytes: u32,
  data_words: u32,
  axis: u32,
  rows: u32,
  blocks: u32,
  zero_row_bytes: u32,
  block_shift: u32,
  first: u32,
  slices: u32,
}

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read> scales: array<S>;
@group(0) @binding(3) var<storage, read> zero_points: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<Y>;
@group(0) @binding(5) var<uniform> params: Params;

const VALUES = 32u / BITS;              // of a word
const MASK = (1u << BITS) - 1u;

// Four bytes of data from any byte on; what lies beyond the end is not used.
fn word_at(byte: u32) -> u32 {
  let low = data[byte / 4u];
  let shift = byte % 4u * 8u;
  if (shift == 0u) { return low; }
  return (low >> shift) | (data[min(byte / 4u + 1u, params.data_words - 1u)] << (32u - shift));
}

fn zero_point(row: u32, block: u32) -> u32 {
#if ZERO_POINTS
  let bit = block * BITS;
  let byte = row * params.zero_row_bytes + bit / 8u;
  return (zero_points[byte / 4u] >> (byte % 4u * 8u + bit % 8u)) & MASK;
#else
  return 1u << (BITS - 1u);
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.words) { return; }
  let out_row = i / params.row_words;
  let word = i % params.row_words;
  let first = word * VALUES;
  let index = indices[out_row / params.rows];
  let slice = u32(index) + select(0u, params.axis, index < 0);
  var packed = 0u;
  var scale = 0.0;
  var zero = 0.0;
  let mine = slice - params.first;
  if (mine >= params.slices && (slice < params.axis || params.first != 0u)) { return; }
  if (mine < params.slices) {
    let row = mine * params.rows + out_row % params.rows;
    let block = first >> params.block_shift;
    packed = word_at(row * params.row_bytes + word * 4u);
    scale = f32(scales[row * params.blocks + block]);
    zero = f32(zero_point(row, block));
  }
  let count = min(VALUES, params.columns - first);
  let to = out_row * params.columns + first;
  for (var v = 0u; v < count; v++) {
    y[to + v] = Y((f32((packed >> (v * BITS)) & MASK) - zero) * scale);
  }
}
