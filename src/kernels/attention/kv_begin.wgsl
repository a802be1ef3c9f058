// cache rows before a step: those of the past up to its length, 0 behind them; one thread an element of the cache.
#include "kernels/common/flat_id.wgsl"

struct Params {
  heads: u32,      // of one batch entry
  past: u32,       // rows
  capacity: u32,
  size: u32,
  seq: u32,        // new rows, part of the lengths
  elements: u32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(AT_LEN) var<storage, read> seqlens: array<i32>;
#if HAS_PAST
@group(0) @binding(AT_PAST) var<storage, read> past_rows: array<T>;
#endif
@group(0) @binding(AT_CACHE) var<storage, read_write> cache: array<T>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * 256u + thread;
  if (index >= params.elements) { return; }
  let row = index / params.size % params.capacity;
  let unit = index / params.size / params.capacity;   // b * heads + head
  let past = max(0, seqlens[unit / params.heads] + 1 - i32(params.seq));
  var value = T(0.0);
#if HAS_PAST
  if (i32(row) < past && row < params.past) {
    value = past_rows[(unit * params.past + row) * params.size + index % params.size];
  }
#endif
  cache[index] = value;
}
