// y = data; then y[c with its axis coordinate replaced by indices[c]] (op)= updates[c]. One workgroup owns one line of
// y along the axis: it copies the line, then takes the updates WG at a time. An update whose element no earlier one of
// its batch has applies all later ones of that element in their order, so the result does not depend on timing.
#include "kernels/common/flat_id.wgsl"

struct Params {
  lines: u32,
  length: u32,
  updates: u32,
  step: u32,
  update_step: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  dims: array<vec4<u32>, 2>,
  update_dims: array<vec4<u32>, 2>,
  strides: array<vec4<u32>, 2>,
  update_strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> data: array<T>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read> updates: array<T>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;
@group(0) @binding(4) var<uniform> params: Params;

const NOWHERE = 0xffffffffu;
var<workgroup> targets: array<u32, WG>;
var<workgroup> values: array<A, WG>;

fn is_nan(x: A) -> bool {
#if A == f32
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
#else
  return false;
#endif
}

fn combine(a: A, b: A) -> A {
#if REDUCTION == 0
  return b;
#elif REDUCTION == 1
  return a + b;
#elif REDUCTION == 2
  return a * b;
#elif REDUCTION == 3
  return select(select(min(a, b), b, is_nan(b)), a, is_nan(a));
#else
  return select(select(max(a, b), b, is_nan(b)), a, is_nan(a));
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let line = flat_workgroup(group, groups);
  if (line >= params.lines) { return; }
  var start = 0u;
  var update_start = 0u;
  var has_updates = true;
  var rest = line;
  for (var d = RANK; d > 0u; d--) {
    let at = (d - 1u) / 4u;
    let part = (d - 1u) % 4u;
    let coordinate = rest % params.dims[at][part];
    rest /= params.dims[at][part];
    has_updates = has_updates && coordinate < params.update_dims[at][part];
    start += coordinate * params.strides[at][part];
    update_start += coordinate * params.update_strides[at][part];
  }
  for (var i = lane; i < params.length; i += WG) { y[start + i * params.step] = data[start + i * params.step]; }
  let count = select(0u, params.updates, has_updates);
  for (var first = 0u; first < count; first += WG) {
    storageBarrier();
    let mine = first + lane;
    var element = NOWHERE;
    if (mine < count) {
      let index = indices[update_start + mine * params.update_step];
      let along = u32(index) + select(0u, params.length, index < 0);
      element = select(NOWHERE, along, along < params.length);
      values[lane] = A(updates[update_start + mine * params.update_step]);
    }
    targets[lane] = element;
    workgroupBarrier();
    var leads = element != NOWHERE;
    for (var j = 0u; j < lane; j++) { leads = leads && targets[j] != element; }
    if (leads) {
      let at = start + element * params.step;
      var value = combine(A(y[at]), values[lane]);
      for (var j = lane + 1u; j < WG; j++) {
        if (targets[j] == element) { value = combine(value, values[j]); }
      }
      y[at] = T(value);
    }
    workgroupBarrier();
  }
}
