// choice[0] = the least key that stays: of top-k, of top-p among what top-k keeps, and of min-p. One workgroup; the
// thresholds are found exactly by radix selection among the listed keys, 8 bits a pass, weighing each as 1 or as its
// mass.
#include "kernels/sample/sampler.wgsl"
#include "kernels/sample/greatest.wgsl"
#include "kernels/sample/bins.wgsl"

@group(0) @binding(0) var<storage, read> maxima: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> settings: Settings;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> bins: array<u32>;
@group(0) @binding(4) var<storage, read> listed: array<u32>;
@group(0) @binding(5) var<storage, read> list: array<u32>;
@group(0) @binding(6) var<storage, read_write> choice: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

var<workgroup> digit_low: array<atomic<u32>, 256>;
var<workgroup> digit_high: array<atomic<u32>, 256>;
var<workgroup> sums: array<U64, WG>;
var<workgroup> chosen: u32;
var<workgroup> chosen_rest: U64;

// Which keys of the list are meant.
struct Among {
  bin: u32,
  least: u32,
  greatest: f32,
  by_mass: bool,
}

fn weight(key: u32, among: Among) -> u32 {
  let value = from_order_key(key);
  if (key < among.least || bin_of(value, among.greatest) != among.bin) { return 0u; }
  if (!among.by_mass) { return 1u; }
  return mass_of(value, among.greatest);
}

// Inclusive sums in the order of threads.
fn prefix_sum(lane: u32, mine: U64) -> U64 {
  var sum = mine;
  for (var distance = 1u; distance < WG; distance *= 2u) {
    sums[lane] = sum;
    workgroupBarrier();
    if (lane >= distance) { sum = add64(sum, sums[lane - distance]); }
    workgroupBarrier();
  }
  return sum;
}

// The greatest key such that those not below it weigh `rest` or more.
fn radix_select(lane: u32, among: Among, whole: U64) -> u32 {
  var prefix = 0u;
  var rest = whole;
  for (var pass_number = 0u; pass_number < 4u; pass_number++) {
    let shift = 24u - 8u * pass_number;
    // Bits above the digit; shifting by 32 would be shifting by 0.
    let mask = select(0u, 0xffffffffu << ((shift + 8u) % 32u), pass_number > 0u);
    atomicStore(&digit_low[lane], 0u);
    atomicStore(&digit_high[lane], 0u);
    workgroupBarrier();
    for (var i = lane; i < listed[0]; i += WG) {
      let key = list[i];
      let w = select(0u, weight(key, among), (key & mask) == prefix);
      if (w == 0u) { continue; }
      let digit = (key >> shift) & 255u;
      let before = atomicAdd(&digit_low[digit], w);
      if (before + w < before) { atomicAdd(&digit_high[digit], 1u); }
    }
    workgroupBarrier();
    let digit = 255u - lane;
    let mine = U64(atomicLoad(&digit_low[digit]), atomicLoad(&digit_high[digit]));
    let through = prefix_sum(lane, mine);
    let before = sub64(through, mine);
    if (less64(before, rest) && !less64(through, rest)) {
      chosen = digit;
      chosen_rest = sub64(rest, before);
    }
    prefix |= workgroupUniformLoad(&chosen) << shift;
    rest = workgroupUniformLoad(&chosen_rest);
  }
  return prefix;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  if (state[ACTIVE] == 0u || is_greedy()) { return; }
  let greatest = from_order_key(greatest_logit(lane).x);
  var least = 0u;
  if (uses_top_k() || uses_top_p()) { prefix_bins(lane); }
  var kept = total_mass();
  if (uses_top_k()) {
    let at = find_bin(lane, true, settings.top_k, U64(0u, 0u));
    least = radix_select(lane, Among(at.bin, 0u, greatest, false), U64(settings.top_k - at.count, 0u));
    let among = Among(at.bin, least, greatest, true);
    var mine = U64(0u, 0u);
    for (var i = lane; i < listed[0]; i += WG) { mine = add64(mine, U64(weight(list[i], among), 0u)); }
    sums[lane] = prefix_sum(lane, mine);
    kept = add64(at.mass, workgroupUniformLoad(&sums[WG - 1u]));
  }
  if (uses_top_p()) {
    let target_mass = top_p_target(kept);
    let at = find_bin(lane, false, 0u, target_mass);
    least = radix_select(lane, Among(at.bin, least, greatest, true), sub64(target_mass, at.mass));
  }
  if (settings.min_p > 0.0) { least = max(least, order_key(greatest + min(log(settings.min_p), 0.0))); }
  if (lane == 0u) { choice[0] = least; }
}
