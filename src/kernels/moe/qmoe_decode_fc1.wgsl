// inner[t, j, i] = activation(fc1 row(s) i of the j-th expert of token t . x[t] + bias), for a few tokens. Every
// workgroup selects the experts of its token anew, which costs less than a dispatch. A team of LANES invocations owns
// two weight rows: two outputs i, or the gate and linear rows of one output (FUSED 1: alternating, 2: halves). A head
// precedes the activations: the mixing weights (t, j), then the experts (t, j) as floats, written by one workgroup a
// token.
// STAGE 0: the plain product (of fc3); 1: activated; 2: activated and multiplied by what stage 0 left in its place.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
#if X_ACCESS == 0
@group(0) @binding(0) var<storage, read> x: array<X>;
#else
@group(0) @binding(0) var<storage, read> x: array<vec4<X>>;
#endif
@group(0) @binding(5) var<storage, read> router: array<Q>;
@group(0) @binding(6) var<storage, read> router_weights: array<M>;
@group(0) @binding(7) var<storage, read_write> inner: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

const ROWS: u32 = 1u;
const TEAMS: u32 = WG / LANES;
#if FUSED
const OUTPUTS: u32 = TEAMS;  // of a workgroup
#else
const OUTPUTS: u32 = 2u * TEAMS;
#endif
var<private> x_start: u32;

#include "kernels/moe/select.wgsl"
#include "kernels/moe/activation.wgsl"
#include "kernels/moe/row_access.wgsl"
#include "kernels/matmul/nbits_dot.wgsl"
#include "kernels/matmul/lane_sum.wgsl"

fn biased(row: u32, sum: f32) -> f32 {
#if HAS_BIAS
  return sum + f32(bias[row]);
#else
  return sum;
#endif
}

fn gate_row(i: u32) -> u32 {
#if FUSED == 1
  return 2u * i;
#else
  return i;
#endif
}

fn linear_row(i: u32) -> u32 {
#if FUSED == 1
  return 2u * i + 1u;
#else
  return params.inner + i;
#endif
}

fn store_head(token: u32, lane: u32) {
  for (var j = lane; j < params.top; j += WG) {
    inner[token * params.top + j] = mixing_weight(token, j);
    inner[(params.tokens + token) * params.top + j] = f32(chosen[j]);
  }
}

fn store(at: u32, first_row: u32, i: u32, sums: vec2<f32>) {
#if FUSED
  let gate = biased(first_row + gate_row(i), sums.x);
  inner[at] = activate(gate, biased(first_row + linear_row(i), sums.y));
#else
  let sum = biased(first_row + i, sums.x);
#if STAGE == 0
  inner[at] = sum;
#elif STAGE == 1
  inner[at] = activate(sum, 0.0);
#else
  inner[at] = activate(sum, inner[at]);
#endif
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_size: u32,
#endif
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let tile = flat % params.tiles;
  let slot = flat / params.tiles % params.top;
  let token = flat / params.tiles / params.top;
  if (token >= params.tokens) {
    return;
  }
  select_experts(token, lane);
#if STAGE != 0
  if (tile == 0u && slot == 0u) {
    store_head(token, lane);
  }
#endif
  let first_row = chosen[slot] * params.rows;
  let first = tile * OUTPUTS;
  x_start = token * params.k;
#if FUSED
  let i = min(first + lane / LANES, params.inner - 1u);
  let row0 = first_row + gate_row(i);
  let row1 = first_row + linear_row(i);
#else
  let i = min(first + 2u * (lane / LANES), params.inner - 1u);
  let row0 = first_row + i;
  let row1 = first_row + min(i + 1u, params.inner - 1u);
#endif
  let units = (params.k + UNIT_VALUES - 1u) / UNIT_VALUES;
  for (var unit = lane % LANES; unit < units; unit += LANES) {
    add_unit(row0, row1, unit, 1.0);
  }
#if SUBGROUPS
  sum_lanes(lane, subgroup_lane, subgroup_size);
#else
  sum_lanes(lane);
#endif
  if (lane < OUTPUTS && first + lane < params.inner) {
    let at = params.head + (token * params.top + slot) * params.inner + first + lane;
#if FUSED
    store(at, first_row, first + lane, total(0u, lane));
#else
    let sums = total(0u, lane / 2u);
    store(at, first_row, first + lane, vec2<f32>(select(sums.x, sums.y, lane % 2u == 1u), 0.0));
#endif
  }
}
