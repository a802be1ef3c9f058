// y[o, c] = the i with the greatest (or least) x[o, i, c], the first or the last of equals; SERIAL: one thread a line,
// else one workgroup. Values compare as unsigned keys in which NaN, 0, is below every number.
#include "kernels/common/flat_id.wgsl"

struct Params {
  lines: u32,
  length: u32,
  inner: u32,
  pad: u32,
}

@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;
@group(0) @binding(2) var<uniform> params: Params;

struct Best {
  key: u32,
  index: u32,
}

fn key_of(value: X) -> u32 {
#if X == i32
  let key = bitcast<u32>(value) ^ 0x80000000u;
#else
  let number = f32(value);
  var bits = bitcast<u32>(number);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0u; }
  if (bits == 0x80000000u) { bits = 0u; }
  let key = select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
#endif
#if IS_MAX
  return key;
#else
  return ~key;
#endif
}

fn better(a: Best, b: Best) -> Best {
#if LAST
  let take_b = b.key > a.key || (b.key == a.key && b.index > a.index);
#else
  let take_b = b.key > a.key || (b.key == a.key && b.index < a.index);
#endif
  if (take_b) { return b; }
  return a;
}

// The best of elements first, first + step, ...
fn scan(line: u32, first: u32, step: u32) -> Best {
  let start = line / params.inner * params.length * params.inner + line % params.inner;
#if LAST
  var best = Best(0u, 0u);
#else
  var best = Best(0u, params.length - 1u);
#endif
  for (var i = first; i < params.length; i += step) {
    best = better(best, Best(key_of(x[start + i * params.inner]), i));
  }
  return best;
}

#if SERIAL
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let line = flat_workgroup(group, groups) * WG + lane;
  if (line < params.lines) { y[line] = i32(scan(line, 0u, 1u).index); }
}
#else
var<workgroup> parts: array<Best, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let line = flat_workgroup(group, groups);
  if (line >= params.lines) { return; }
  parts[lane] = scan(line, lane, WG);
  workgroupBarrier();
  for (var s = WG / 2u; s > 0u; s /= 2u) {
    if (lane < s) { parts[lane] = better(parts[lane], parts[lane + s]); }
    workgroupBarrier();
  }
  if (lane == 0u) { y[line] = i32(parts[0].index); }
}
#endif
