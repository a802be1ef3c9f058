// y[o, i, c] = sum of x[o, j, c] over j <= i (EXCLUSIVE: j < i; REVERSE: from the end). SERIAL: one thread a line; else
// one workgroup a line, WG elements at a time, summed by doubling distances, the total carried on.
#include "kernels/common/flat_id.wgsl"

struct Params {
  lines: u32,
  length: u32,
  inner: u32,
  pad: u32,
}

@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> y: array<X>;
@group(0) @binding(2) var<uniform> params: Params;

// Where the i-th element to be summed lies.
fn place(line: u32, i: u32) -> u32 {
#if REVERSE
  let along = params.length - 1u - i;
#else
  let along = i;
#endif
  return (line / params.inner * params.length + along) * params.inner + line % params.inner;
}

#if SERIAL
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let line = flat_workgroup(group, groups) * WG + lane;
  if (line >= params.lines) { return; }
  var sum = A(0);
  for (var i = 0u; i < params.length; i++) {
    let at = place(line, i);
    let next = sum + A(x[at]);
#if EXCLUSIVE
    y[at] = X(sum);
#else
    y[at] = X(next);
#endif
    sum = next;
  }
}
#else
var<workgroup> sums: array<A, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let line = flat_workgroup(group, groups);
  if (line >= params.lines) { return; }
  var carry = A(0);
  for (var first = 0u; first < params.length; first += WG) {
    let i = first + lane;
    var value = A(0);
    if (i < params.length) { value = A(x[place(line, i)]); }
    sums[lane] = value;
    workgroupBarrier();
    for (var distance = 1u; distance < WG; distance *= 2u) {
      var before = A(0);
      if (lane >= distance) { before = sums[lane - distance]; }
      workgroupBarrier();
      sums[lane] += before;
      workgroupBarrier();
    }
    var sum = carry + sums[lane];
#if EXCLUSIVE
    sum = carry;
    if (lane > 0u) { sum = carry + sums[lane - 1u]; }
#endif
    if (i < params.length) { y[place(line, i)] = X(sum); }
    carry += sums[WG - 1u];
    workgroupBarrier();
  }
}
#endif
