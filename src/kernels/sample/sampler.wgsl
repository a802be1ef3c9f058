// What the sampler's kernels share. Every filter comes to a threshold on the logit's order key; probability is counted
// as mass: exp(logit - greatest) in units of 2^-31. See sample.cpp for the whole.
#include "kernels/common/flat_id.wgsl"
#include "kernels/common/float_bits.wgsl"
#include "kernels/sample/u64.wgsl"

struct Settings {
  temperature: f32,
  top_k: u32,
  top_p: f32,
  min_p: f32,
  repetition_penalty: f32,
  presence_penalty: f32,
  frequency_penalty: f32,
  seed_lo: u32,
  seed_hi: u32,
  stop_count: u32,
  stop_ids: array<u32, 16>,
}

struct Params {
  vocabulary: u32,
  blocks: u32,      // of BLOCK logits
  start: u32,       // of the row in logits
  ring: u32,        // size of the ring
}

const NEGATIVE_INFINITY_KEY = 0x007fffffu;
const ACTIVE = 2u;  // word of the decode state
const STEP = 1u;

fn is_greedy() -> bool { return !(settings.temperature > 0.0); }
fn uses_top_k() -> bool { return settings.top_k > 0u && settings.top_k < params.vocabulary; }
fn uses_top_p() -> bool { return settings.top_p < 1.0; }

// Beyond 22 the mass would round to 0; the first test also covers infinities.
fn mass_of(value: f32, greatest: f32) -> u32 {
  if (value == greatest) { return 0x80000000u; }
  let distance = greatest - value;
  if (!(distance < 22.0)) { return 0u; }
  return u32(min(exp(-distance), 1.0) * 2147483648.0);
}

// Bins of 1/32 downwards from the greatest logit: ordered as logits are, so that a threshold lies within one bin.
fn bin_of(value: f32, greatest: f32) -> u32 {
  if (value == greatest) { return 0u; }
  let distance = greatest - value;
  if (!(distance < 31.9)) { return BINS - 1u; }
  return u32(distance * 32.0);
}
