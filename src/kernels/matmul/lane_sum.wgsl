// Adds up acc over each team of LANES consecutive invocations. total(m, team) is valid in every invocation afterwards.
// With SUBGROUPS, LANES is a multiple of any subgroup size of the device, and subgroups are runs of invocation indices.
// PARTIALS: sums that a workgroup keeps, one of each subgroup or invocation.
var<workgroup> partial: array<Sums, ROWS * PARTIALS>;
#if SUBGROUPS
var<private> parts_of_team: u32;
#endif

#if SUBGROUPS
fn sum_lanes(lane: u32, subgroup_lane: u32, subgroup_size: u32) {
  parts_of_team = LANES / subgroup_size;
  for (var m = 0u; m < ROWS; m++) {
    let sum = subgroupAdd(acc[m]);
    if (subgroup_lane == 0u) {
      partial[m * PARTIALS + lane / subgroup_size] = sum;
    }
  }
  workgroupBarrier();
}

fn total(m: u32, team: u32) -> Sums {
  var sum = Sums();
  for (var i = 0u; i < parts_of_team; i++) {
    sum += partial[m * PARTIALS + team * parts_of_team + i];
  }
  return sum;
}
#else
fn sum_lanes(lane: u32) {
  for (var m = 0u; m < ROWS; m++) {
    partial[m * PARTIALS + lane] = acc[m];
  }
  workgroupBarrier();
  for (var stride = LANES / 2u; stride > 0u; stride /= 2u) {
    if (lane % LANES < stride) {
      for (var m = 0u; m < ROWS; m++) {
        partial[m * PARTIALS + lane] += partial[m * PARTIALS + lane + stride];
      }
    }
    workgroupBarrier();
  }
}

fn total(m: u32, team: u32) -> Sums {
  return partial[m * PARTIALS + team * LANES];
}
#endif
