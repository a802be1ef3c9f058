// cache rows = past rows, then new rows + bias; one thread an element of the rows that are written.
#include "kernels/common/flat_id.wgsl"

struct Params {
  heads: u32,       // of one batch entry
  past: u32,        // rows
  rows: u32,        // past + new rows
  size: u32,
  capacity: u32,    // rows of the cache
  offset: u32,      // of the new rows in their tensor, and their strides
  batch_stride: u32,
  token_stride: u32,
  head_stride: u32,
  bias_offset: u32,
  elements: u32,
  pad0: u32,
}

#if HAS_NEW
@group(0) @binding(AT_NEW) var<storage, read> new_rows: array<T>;
#endif
#if HAS_PAST
@group(0) @binding(AT_PAST) var<storage, read> past_rows: array<T>;
#endif
#if HAS_BIAS
@group(0) @binding(AT_BIAS) var<storage, read> bias: array<T>;
#endif
@group(0) @binding(AT_CACHE) var<storage, read_write> cache: array<T>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * 256u + thread;
  if (index >= params.elements) { return; }
  let d = index % params.size;
  let row = index / params.size % params.rows;
  let unit = index / params.size / params.rows;   // b * heads + head
  let to = (unit * params.capacity + row) * params.size + d;
#if HAS_PAST
  if (row < params.past) {
    cache[to] = past_rows[(unit * params.past + row) * params.size + d];
    return;
  }
#endif
#if HAS_NEW
  let head = unit % params.heads;
  var value = f32(new_rows[params.offset + unit / params.heads * params.batch_stride +
                           (row - params.past) * params.token_stride + head * params.head_stride + d]);
#if HAS_BIAS
  value += f32(bias[params.bias_offset + head * params.size + d]);
#endif
  cache[to] = T(value);
#endif
}
