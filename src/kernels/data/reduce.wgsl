// y[o] = finish(combine over r of x[kept(o) + reduced(r)]), accumulated as A. SERIAL: one thread an output; else one
// workgroup for each chunk of an output's elements, threads striding over it and joining in workgroup memory.
#include "kernels/common/flat_id.wgsl"

struct Params {
  outputs: u32,
  count: u32,
  chunks: u32,
  chunk: u32,
  identity: u32,
  divisor: u32,
  pad0: u32,
  pad1: u32,
  kept_dims: vec4<u32>,
  kept_strides: vec4<u32>,
  dims: vec4<u32>,
  strides: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> y: array<Y>;
@group(0) @binding(2) var<uniform> params: Params;

fn is_nan(v: A) -> bool {
#if A == f32
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
#else
  return false;
#endif
}

fn combine(a: A, b: A) -> A {
#if COMBINE == 0
  return a + b;
#elif COMBINE == 1
  return a * b;
#elif COMBINE == 2
  return select(select(min(a, b), b, is_nan(b)), a, is_nan(a));
#else
  return select(select(max(a, b), b, is_nan(b)), a, is_nan(a));
#endif
}

fn finish(v: A) -> Y {
#if FINISH == 0
  return Y(v);
#elif FINISH == 1
  return Y(v / A(params.divisor));
#else
  return Y(sqrt(v));
#endif
}

fn offset(index: u32, dims: vec4<u32>, strides: vec4<u32>) -> u32 {
  let r3 = index / dims.w;
  let r2 = r3 / dims.z;
  let r1 = r2 / dims.y;
  return (index % dims.w) * strides.w + (r3 % dims.z) * strides.z + (r2 % dims.y) * strides.y + r1 * strides.x;
}

fn load(start: u32, r: u32) -> A {
#if FLAT
  let v = A(x[start + r * params.strides.w]);
#else
  let v = A(x[start + offset(r, params.dims, params.strides)]);
#endif
#if SQUARE
  return v * v;
#else
  return v;
#endif
}

#if SERIAL
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let o = flat_workgroup(group, groups) * WG + lane;
  if (o >= params.outputs) { return; }
  let start = offset(o, params.kept_dims, params.kept_strides);
  var sum = bitcast<A>(params.identity);
  for (var r = 0u; r < params.count; r++) { sum = combine(sum, load(start, r)); }
  y[o] = finish(sum);
}
#else
var<workgroup> parts: array<A, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let part = flat_workgroup(group, groups);
  if (part >= params.outputs * params.chunks) { return; }
  let start = offset(part / params.chunks, params.kept_dims, params.kept_strides);
  let first = part % params.chunks * params.chunk;
  let end = min(first + params.chunk, params.count);
  var sum = bitcast<A>(params.identity);
  for (var r = first + lane; r < end; r += WG) { sum = combine(sum, load(start, r)); }
  parts[lane] = sum;
  workgroupBarrier();
  for (var s = WG / 2u; s > 0u; s /= 2u) {
    if (lane < s) { parts[lane] = combine(parts[lane], parts[lane + s]); }
    workgroupBarrier();
  }
  if (lane == 0u) { y[part] = finish(parts[0]); }
}
#endif
