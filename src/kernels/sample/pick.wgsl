// Draws the id and notes it everywhere; one workgroup. Greedy: the greatest of the blocks' maxima. Else a mass below
// the total is drawn, and the id found that it falls on: first the block by its sum, then the logit within.
#include "kernels/sample/sampler.wgsl"
#include "kernels/sample/greatest.wgsl"
#include "kernels/sample/philox.wgsl"

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> maxima: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> sums: array<U64>;
@group(0) @binding(3) var<storage, read> settings: Settings;
@group(0) @binding(4) var<storage, read_write> state: array<u32>;
@group(0) @binding(5) var<storage, read_write> history: array<u32>;
@group(0) @binding(6) var<storage, read_write> next_ids: array<i32>;
@group(0) @binding(7) var<storage, read_write> ring: array<i32>;
@group(0) @binding(8) var<uniform> params: Params;

var<workgroup> parts: array<U64, WG>;
var<workgroup> active_step: vec2<u32>;
var<workgroup> chosen: u32;
var<workgroup> chosen_rest: U64;

// Inclusive sums in the order of threads; parts[WG - 1] is the total.
fn prefix_sum(lane: u32, mine: U64) -> U64 {
  var sum = mine;
  for (var distance = 1u; distance < WG; distance *= 2u) {
    parts[lane] = sum;
    workgroupBarrier();
    if (lane >= distance) { sum = add64(sum, parts[lane - distance]); }
    workgroupBarrier();
  }
  parts[lane] = sum;
  workgroupBarrier();
  return sum;
}

fn kept_mass(i: u32, greatest: f32) -> U64 {
  if (i >= params.vocabulary || order_key(values[i]) < sums[0].x) { return U64(0u, 0u); }
  return U64(mass_of(values[i], greatest), 0u);
}

fn draw(lane: u32, step: u32, greatest: f32) -> u32 {
  let each = (params.blocks + WG - 1u) / WG;
  var mine = U64(0u, 0u);
  for (var b = lane * each; b < min((lane + 1u) * each, params.blocks); b++) { mine = add64(mine, sums[1u + b]); }
  if (lane == 0u) {  // where no mass was kept, id 0 is drawn
    chosen = 0u;
    chosen_rest = U64(0u, 0u);
  }
  var before = sub64(prefix_sum(lane, mine), mine);
  let total = workgroupUniformLoad(&parts[WG - 1u]);
  let drawn = scale64(total, philox(vec4<u32>(step, 0u, 0u, 0u), vec2<u32>(settings.seed_lo, settings.seed_hi)).x);
  for (var b = lane * each; b < min((lane + 1u) * each, params.blocks); b++) {
    let through = add64(before, sums[1u + b]);
    if (!less64(drawn, before) && less64(drawn, through)) {
      chosen = b;
      chosen_rest = sub64(drawn, before);
    }
    before = through;
  }
  let block = workgroupUniformLoad(&chosen);
  let rest = workgroupUniformLoad(&chosen_rest);

  let first = block * BLOCK + lane * (BLOCK / WG);
  mine = U64(0u, 0u);
  for (var i = first; i < first + BLOCK / WG; i++) { mine = add64(mine, kept_mass(i, greatest)); }
  before = sub64(prefix_sum(lane, mine), mine);
  for (var i = first; i < first + BLOCK / WG; i++) {
    let through = add64(before, kept_mass(i, greatest));
    if (!less64(rest, before) && less64(rest, through)) { chosen = i; }
    before = through;
  }
  return workgroupUniformLoad(&chosen);
}

fn note(step: u32, id: u32) {
  next_ids[0] = i32(id);
  ring[step % params.ring] = i32(id);
  history[id] += 1u;
  for (var k = 0u; k < min(settings.stop_count, 16u); k++) {
    if (settings.stop_ids[k] == id) { state[ACTIVE] = 0u; }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  if (lane == 0u) { active_step = vec2<u32>(state[ACTIVE], state[STEP]); }
  let now = workgroupUniformLoad(&active_step);
  if (now.x != 0u) {
    let best = greatest_logit(lane);
    var id = best.y;
    if (!is_greedy() && best.x > NEGATIVE_INFINITY_KEY) { id = draw(lane, now.y, from_order_key(best.x)); }
    if (lane == 0u) { note(now.y, id); }
  } else if (lane == 0u) {
    ring[now.y % params.ring] = -1;
  }
  if (lane == 0u) { state[STEP] = now.y + 1u; }
}
