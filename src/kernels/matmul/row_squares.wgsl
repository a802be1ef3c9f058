// The sum of the squares of a row that the invocations of a workgroup read together. stage_squares is called by every
// invocation with its part, before the barrier that ends the staging of the row; staged_squares after it.
var<workgroup> square_sums: array<f32, WG>;
#if SUBGROUPS
var<private> square_parts: u32;

fn stage_squares(lane: u32, squares: f32, subgroup_lane: u32, subgroup_size: u32) {
  square_parts = WG / subgroup_size;
  let sum = subgroupAdd(squares);
  if (subgroup_lane == 0u) {
    square_sums[lane / subgroup_size] = sum;
  }
}

fn staged_squares() -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < square_parts; i++) {
    sum += square_sums[i];
  }
  return sum;
}
#else
// Two rounds: 16 partial sums, then their sum in every invocation.
fn stage_squares(lane: u32, squares: f32) {
  square_sums[lane] = squares;
  workgroupBarrier();
  var sum = 0.0;
  if (lane < 16u) {
    for (var i = lane; i < WG; i += 16u) {
      sum += square_sums[i];
    }
  }
  workgroupBarrier();
  if (lane < 16u) {
    square_sums[lane] = sum;
  }
}

fn staged_squares() -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < 16u; i++) {
    sum += square_sums[i];
  }
  return sum;
}
#endif
