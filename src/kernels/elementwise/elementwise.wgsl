// y[i] = program(x0[i], x1[i], ...), inputs broadcast; one thread computes WIDTH neighbouring elements. BODY is the
// program, made by element_rules.cpp. A tensor of type T is bound as array<T> or, read WIDTH at a time, as vectors.
#if WIDTH == 4
alias F = vec4<f32>;
alias I = vec4<i32>;
alias U = vec4<u32>;
alias B = vec4<bool>;
#else
alias F = f32;
alias I = i32;
alias U = u32;
alias B = bool;
#endif
#include "kernels/common/flat_id.wgsl"
#include "kernels/elementwise/elementwise_ops.wgsl"
#if TRIG
#include "kernels/elementwise/elementwise_trig.wgsl"
#endif

struct Params {
  count: u32,                       // groups of WIDTH elements
  pad0: u32, pad1: u32, pad2: u32,
  offsets: array<vec4<u32>, 2>,     // of input k's first element
  dims: array<vec4<u32>, 2>,        // of the output, the last in groups
  strides: array<vec4<u32>, 12>,    // of input k in dimension d at 8 k + d
  constants: array<vec4<u32>, 4>,   // bits
}

// Those beyond INPUTS are declared but unused, which leaves their bindings to y and params.
@group(0) @binding(0) var<storage, read> x0: array<X0>;
@group(0) @binding(1) var<storage, read> x1: array<X1>;
@group(0) @binding(2) var<storage, read> x2: array<X2>;
@group(0) @binding(3) var<storage, read> x3: array<X3>;
@group(0) @binding(4) var<storage, read> x4: array<X4>;
@group(0) @binding(5) var<storage, read> x5: array<X5>;
@group(0) @binding(INPUTS) var<storage, read_write> y: array<Y>;
@group(0) @binding(INPUTS + 1u) var<uniform> params: Params;

fn constant(k: u32) -> u32 { return params.constants[k / 4u][k % 4u]; }

// Where each input lies for output group i.
fn offsets(i: u32) -> array<u32, 6> {
  var at: array<u32, 6>;
  for (var k = 0u; k < INPUTS; k++) { at[k] = params.offsets[k / 4u][k % 4u]; }
  var rest = i;
  for (var d = RANK; d > 0u; d--) {
    let size = params.dims[(d - 1u) / 4u][(d - 1u) % 4u];
    let coordinate = select(rest % size, rest, d == 1u);
    rest /= size;
    for (var k = 0u; k < INPUTS; k++) {
      at[k] += coordinate * params.strides[2u * k + (d - 1u) / 4u][(d - 1u) % 4u];
    }
  }
  return at;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = flat_workgroup(group, groups) * WG + lane;
  if (i >= params.count) { return; }
#insert BODY
}
