// fetch_a and put_a (tile.wgsl) for rows of activations. The includer defines row_start(row), the element of x at which
// the tile's row begins, in range for every row of the tile. X_ACCESS as in row_access.wgsl.
#if X_ACCESS == 0
@group(0) @binding(0) var<storage, read> x: array<X>;
#else
@group(0) @binding(0) var<storage, read> x: array<vec4<X>>;
#endif
const A_QUADS: u32 = TM * QUADS;
const A_LOADS: u32 = (A_QUADS + WG - 1u) / WG;
var<private> a_starts: array<u32, A_LOADS>;
var<private> a_quads: array<Staged, A_LOADS>;

fn find_rows(lane: u32) {
  for (var load = 0u; load < A_LOADS; load++) {
    a_starts[load] = row_start(min((lane + load * WG) / QUADS, TM - 1u));
  }
}

fn activations(start: u32, k: u32) -> Staged {
#if X_ACCESS == 0
  var v = Staged();
  for (var j = 0u; j < 4u; j++) {
    if (k + j < params.k) {
      v[j] = StagedElement(x[start + k + j]);
    }
  }
  return v;
#else
#if RAGGED
  if (k >= params.k) {
    return Staged();
  }
#endif
  return Staged(x[(start + k) / 4u]);
#endif
}

fn fetch_a(lane: u32, k: u32) {
  for (var load = 0u; load < A_LOADS; load++) {
    a_quads[load] = activations(a_starts[load], k + 4u * ((lane + load * WG) % QUADS));
  }
}

fn put_a(lane: u32) {
  for (var load = 0u; load < A_LOADS; load++) {
    let i = lane + load * WG;
    if (A_QUADS % WG == 0u || i < A_QUADS) {
      stage_a(i / QUADS, i % QUADS, a_quads[load]);
    }
  }
}
