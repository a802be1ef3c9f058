// values[i] = logit i after penalties and temperature, NaN as -inf; one workgroup a block of BLOCK, whose greatest it
// notes in maxima as (key, index). Also clears the histogram and the list for the kernels that follow.
#include "kernels/sample/sampler.wgsl"
#include "kernels/sample/greatest.wgsl"

@group(0) @binding(0) var<storage, read> logits: array<T>;
@group(0) @binding(1) var<storage, read> history: array<u32>;
@group(0) @binding(2) var<storage, read> settings: Settings;
@group(0) @binding(3) var<storage, read> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> maxima: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> bins: array<u32>;
@group(0) @binding(7) var<storage, read_write> listed: array<u32>;
@group(0) @binding(8) var<uniform> params: Params;

fn scaled(i: u32) -> f32 {
  var logit = f32(logits[params.start + i]);
  let past = history[i];
  if (past != 0u && settings.repetition_penalty != 1.0) {
    logit = select(logit * settings.repetition_penalty, logit / settings.repetition_penalty, logit > 0.0);
  }
  let times = past & 0x7fffffffu;
  if (times > 0u) { logit -= settings.frequency_penalty * f32(times) + settings.presence_penalty; }
  if (!is_greedy()) { logit /= settings.temperature; }
  if (is_nan(logit)) { return from_order_key(NEGATIVE_INFINITY_KEY); }
  // One zero only: keys tell -0 from 0.
  return select(logit, 0.0, logit == 0.0);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let block = flat_workgroup(group, groups);
  if (state[ACTIVE] == 0u || block >= params.blocks) { return; }
  for (var i = block * WG + lane; i < 3u * BINS; i += params.blocks * WG) { bins[i] = 0u; }
  if (block == 0u && lane == 0u) { listed[0] = 0u; }
  var best = vec2<u32>(0u, 0xffffffffu);
  let end = min((block + 1u) * BLOCK, params.vocabulary);
  for (var i = block * BLOCK + lane; i < end; i += WG) {
    let value = scaled(i);
    values[i] = value;
    best = greater(best, vec2<u32>(order_key(value), i));
  }
  best = workgroup_greatest(lane, best);
  if (lane == 0u) { maxima[block] = best; }
}
