// Lists the keys of all logits in bins that a threshold may lie in; one workgroup a block. The list's order does not
// matter. The k-th greatest is in one known bin. How much mass top-k keeps depends on that bin's contents, so the end
// of top-p is known to lie between the bins that the least and the greatest such mass lead to.
#include "kernels/sample/sampler.wgsl"
#include "kernels/sample/greatest.wgsl"
#include "kernels/sample/bins.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> maxima: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> settings: Settings;
@group(0) @binding(3) var<storage, read> state: array<u32>;
@group(0) @binding(4) var<storage, read> bins: array<u32>;
@group(0) @binding(5) var<storage, read_write> listed: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> list: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let block = flat_workgroup(group, groups);
  if (state[ACTIVE] == 0u || block >= params.blocks || is_greedy() || !(uses_top_k() || uses_top_p())) { return; }
  let greatest = from_order_key(greatest_logit(lane).x);
  prefix_bins(lane);
  var top_k_bin = BINS;
  var least = total_mass();
  var most = least;
  if (uses_top_k()) {
    let at = find_bin(lane, true, settings.top_k, U64(0u, 0u));
    top_k_bin = at.bin;
    least = at.mass;
    most = at.through;
  }
  var first = BINS;
  var last = 0u;
  if (uses_top_p()) {
    first = find_bin(lane, false, 0u, top_p_target(least)).bin;
    last = find_bin(lane, false, 0u, top_p_target(most)).bin;
  }
  let end = min((block + 1u) * BLOCK, params.vocabulary);
  for (var i = block * BLOCK + lane; i < end; i += WG) {
    let bin = bin_of(values[i], greatest);
    if (bin == top_k_bin || (bin >= first && bin <= last)) { list[atomicAdd(&listed[0], 1u)] = order_key(values[i]); }
  }
}
