// sums[1 + b] = mass of the kept logits of block b, one workgroup a block; sums[0] passes the threshold on.
#include "kernels/sample/sampler.wgsl"
#include "kernels/sample/greatest.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> maxima: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> settings: Settings;
@group(0) @binding(3) var<storage, read> state: array<u32>;
@group(0) @binding(4) var<storage, read> choice: array<u32>;
@group(0) @binding(5) var<storage, read_write> sums: array<U64>;
@group(0) @binding(6) var<uniform> params: Params;

var<workgroup> parts: array<U64, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let block = flat_workgroup(group, groups);
  if (state[ACTIVE] == 0u || block >= params.blocks || is_greedy()) { return; }
  let greatest = from_order_key(greatest_logit(lane).x);
  var sum = U64(0u, 0u);
  let end = min((block + 1u) * BLOCK, params.vocabulary);
  for (var i = block * BLOCK + lane; i < end; i += WG) {
    if (order_key(values[i]) >= choice[0]) { sum = add64(sum, U64(mass_of(values[i], greatest), 0u)); }
  }
  parts[lane] = sum;
  workgroupBarrier();
  for (var s = WG / 2u; s > 0u; s /= 2u) {
    if (lane < s) { parts[lane] = add64(parts[lane], parts[lane + s]); }
    workgroupBarrier();
  }
  if (lane == 0u) {
    sums[1u + block] = parts[0];
    if (block == 0u) { sums[0] = U64(choice[0], 0u); }
  }
}
