// to[head, row, :] = from[head, row, :] for row < rows; one thread a vector of a row.
#include "kernels/common/flat_id.wgsl"

#if VEC == 4
alias Element = vec4<T>;
#else
alias Element = T;
#endif

struct Params {
  heads: u32,      // batch * kv heads
  rows: u32,       // copied of each head
  cols: u32,       // vectors of a row
  from_rows: u32,  // capacities
  to_rows: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(AT_FROM) var<storage, read> from_cache: array<Element>;
@group(0) @binding(AT_TO) var<storage, read_write> to_cache: array<Element>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * 256u + thread;
  let per_head = params.rows * params.cols;
  if (index >= params.heads * per_head) { return; }
  let head = index / per_head;
  let at = index % per_head;
  to_cache[head * params.to_rows * params.cols + at] = from_cache[head * params.from_rows * params.cols + at];
}
