// Searches in the histogram, by a whole workgroup of WG = BINS / 4 threads: prefix_bins() once, then any number of
// finds.
struct Found {
  bin: u32,
  count: u32,   // of logits in the bins before it
  mass: U64,    // of them
  through: U64, // mass with the bin itself
}

var<workgroup> prefix_counts: array<u32, WG>;
var<workgroup> prefix_masses: array<U64, WG>;
var<workgroup> found: Found;

fn bin_mass(b: u32) -> U64 { return U64(bins[BINS + b], bins[2u * BINS + b]); }

// Inclusive sums over the four bins of each thread and all before.
fn prefix_bins(lane: u32) {
  var count = 0u;
  var mass = U64(0u, 0u);
  for (var b = 4u * lane; b < 4u * lane + 4u; b++) {
    count += bins[b];
    mass = add64(mass, bin_mass(b));
  }
  for (var distance = 1u; distance < WG; distance *= 2u) {
    prefix_counts[lane] = count;
    prefix_masses[lane] = mass;
    workgroupBarrier();
    if (lane >= distance) {
      count += prefix_counts[lane - distance];
      mass = add64(mass, prefix_masses[lane - distance]);
    }
    workgroupBarrier();
  }
  prefix_counts[lane] = count;
  prefix_masses[lane] = mass;
  workgroupBarrier();
}

// The first bin through which `count` logits (BY_COUNT) or `mass` are reached. The target must be from 1 to the total.
fn find_bin(lane: u32, by_count: bool, count: u32, mass: U64) -> Found {
  var counts = 0u;
  var masses = U64(0u, 0u);
  if (lane > 0u) {
    counts = prefix_counts[lane - 1u];
    masses = prefix_masses[lane - 1u];
  }
  for (var b = 4u * lane; b < 4u * lane + 4u; b++) {
    let next_counts = counts + bins[b];
    let next_masses = add64(masses, bin_mass(b));
    let crosses_count = counts < count && next_counts >= count;
    let crosses_mass = less64(masses, mass) && !less64(next_masses, mass);
    if (select(crosses_mass, crosses_count, by_count)) { found = Found(b, counts, masses, next_masses); }
    counts = next_counts;
    masses = next_masses;
  }
  let result = workgroupUniformLoad(&found);
  return result;
}

fn total_mass() -> U64 { return prefix_masses[WG - 1u]; }

fn top_p_target(mass: U64) -> U64 {
  let share = u32(clamp(settings.top_p, 0.0, 0.99999994) * 4294967296.0);
  let target_mass = scale64_up(mass, share);
  return select(target_mass, U64(1u, 0u), all(target_mass == U64(0u, 0u)));
}
