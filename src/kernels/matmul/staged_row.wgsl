// One row of activations in workgroup memory, times X_SCALE, and the sum of its squares where NORM asks for it. Quads lie
// by their place in a unit first, so that invocations that read neighbouring units read neighbouring quads; the odd
// pitch spreads the writes over the banks. stage_squares is called by every invocation before the barrier that ends the
// staging, staged_squares after it.
const STAGED_PITCH: u32 = STAGED / UNIT_QUADS;
var<workgroup> staged: array<vec4<f32>, STAGED>;

// Stages the row of row_access.wgsl; returns the sum of squares of the quads that this invocation staged.
fn stage_row(lane: u32, units: u32) -> f32 {
  var squares = 0.0;
  for (var i = lane; i < units * UNIT_QUADS; i += WG) {
    var v = row_quad(4u * i);
#if NORM
    squares += dot(v, v);
    v *= gamma_quad(4u * i);
#endif
    staged[i % UNIT_QUADS * STAGED_PITCH + i / UNIT_QUADS] = v * X_SCALE;
  }
  return squares;
}

fn staged_quad(unit: u32, quad: u32) -> vec4<f32> {
  return staged[quad * STAGED_PITCH + unit];
}

#if NORM
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
#endif
