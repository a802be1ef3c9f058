// One row of activations in workgroup memory, times X_SCALE, and the sum of its squares where NORM asks for it. Quads
// lie by their place in a unit first, so that invocations that read neighbouring units read neighbouring quads; the odd
// pitch spreads the writes over the banks.
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
#include "kernels/matmul/row_squares.wgsl"
#endif
