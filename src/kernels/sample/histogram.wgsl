// bins[b] += count and mass of the logits in bin b: counts, then low and high words of masses. One workgroup a block,
// joined in workgroup memory. Integer sums do not depend on order.
#include "kernels/sample/sampler.wgsl"
#include "kernels/sample/greatest.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> maxima: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> settings: Settings;
@group(0) @binding(3) var<storage, read> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> bins: array<atomic<u32>>;
@group(0) @binding(5) var<uniform> params: Params;

// Halves of a mass: a block's sums of either fit 32 bits.
var<workgroup> counts: array<atomic<u32>, BINS>;
var<workgroup> low_halves: array<atomic<u32>, BINS>;
var<workgroup> high_halves: array<atomic<u32>, BINS>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let block = flat_workgroup(group, groups);
  if (state[ACTIVE] == 0u || block >= params.blocks || is_greedy() || !(uses_top_k() || uses_top_p())) { return; }
  let greatest = from_order_key(greatest_logit(lane).x);
  for (var b = lane; b < BINS; b += WG) {
    atomicStore(&counts[b], 0u);
    atomicStore(&low_halves[b], 0u);
    atomicStore(&high_halves[b], 0u);
  }
  workgroupBarrier();
  let end = min((block + 1u) * BLOCK, params.vocabulary);
  for (var i = block * BLOCK + lane; i < end; i += WG) {
    let bin = bin_of(values[i], greatest);
    let mass = mass_of(values[i], greatest);
    atomicAdd(&counts[bin], 1u);
    atomicAdd(&low_halves[bin], mass & 0xffffu);
    atomicAdd(&high_halves[bin], mass >> 16u);
  }
  workgroupBarrier();
  for (var b = lane; b < BINS; b += WG) {
    let count = atomicLoad(&counts[b]);
    if (count == 0u) { continue; }
    atomicAdd(&bins[b], count);
    let high = atomicLoad(&high_halves[b]);
    let mass = add64(U64(high << 16u, high >> 16u), U64(atomicLoad(&low_halves[b]), 0u));
    let before = atomicAdd(&bins[BINS + b], mass.x);
    atomicAdd(&bins[2u * BINS + b], mass.y + select(0u, 1u, before + mass.x < before));
  }
}
