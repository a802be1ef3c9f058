// y[t, h] = sum_j weight[t, j] * (fc2 row h of expert[t, j] . inner[t, j] + bias) (+ residual[t, h]), of the packets
// that qmoe_fixed_fc1.wgsl wrote. A team of LANES invocations owns two outputs h and strides over the rows of all k
// experts as if they were one, UNITS units each. Workgroups of all tokens at the same outputs follow one another.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(0) var<storage, read> inner: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> residual: array<R>;
@group(0) @binding(6) var<storage, read_write> y: array<Y>;
@group(0) @binding(7) var<uniform> params: Params;

const TEAMS: u32 = WG / LANES;
const PACKETS: u32 = UNIT_VALUES / 8u;
var<private> row_packets: u32;  // where those of the current row of inner begin
var<private> row_steps: u32;
var<workgroup> partial: array<vec2<f32>, TEAMS * PARTS>;

#include "kernels/matmul/nbits.wgsl"
#include "kernels/matmul/fixed_dot.wgsl"

fn fixed_packet(unit: u32, i: u32) -> vec4<u32> {
  return inner[row_packets + i * UNITS + unit];
}

fn word(i: u32) -> u32 {
  return inner[i / 4u][i % 4u];
}

fn fixed_step(unit: u32) -> f32 {
  return bitcast<f32>(word(row_steps + unit));
}

fn weight_of(row: u32) -> f32 {
  return bitcast<f32>(word(row));
}

fn expert_of(row: u32) -> u32 {
  return word(params.tokens * params.top + row);
}

// What is added besides the products.
fn bias_and_residual(token: u32, rows: vec2<u32>, team_lane: u32) -> vec2<f32> {
  var sums = vec2<f32>();
#if HAS_BIAS
  for (var j = team_lane; j < params.top; j += LANES) {
    let row = token * params.top + j;
    let at = expert_of(row) * params.rows + rows;
    sums += weight_of(row) * vec2<f32>(f32(bias[at.x]), f32(bias[at.y]));
  }
#endif
#if HAS_RESIDUAL
  if (team_lane == 0u) {
    let at = token * params.rows + rows;
    sums += vec2<f32>(f32(residual[at.x]), f32(residual[at.y]));
  }
#endif
  return sums;
}

// (row . x) of the unit `at` of all experts' rows in turn, times the expert's weight.
fn weighted_products(pair: UnitPair, token: u32, at: u32) -> vec2<f32> {
  let row = token * params.top + at / UNITS;
  row_packets = params.head / 4u + row * UNITS * PACKETS;
  row_steps = params.head + (params.tokens * params.top * PACKETS * 4u + row) * UNITS;
  return weight_of(row) * pair_products(pair, at % UNITS);
}

fn team_sums(token: u32, rows: vec2<u32>, team_lane: u32) -> vec2<f32> {
  var sums = vec2<f32>();
  let end = UNITS * params.top;
  for (var begin = 0u; begin < end; begin += DEPTH * LANES) {  // the same for all: faster than from team_lane on
    var loaded: array<UnitPair, DEPTH>;
    for (var d = 0u; d < DEPTH; d++) {
      let at = min(begin + d * LANES + team_lane, end - 1u);
      loaded[d] = load_pair(expert_of(token * params.top + at / UNITS) * params.rows + rows, at % UNITS);
    }
    if (begin == 0u) {  // while those are on their way
      sums = bias_and_residual(token, rows, team_lane);
    }
    for (var d = 0u; d < DEPTH; d++) {
      let at = begin + d * LANES + team_lane;
      if (at < end) {
        sums += weighted_products(loaded[d], token, at);
      }
    }
  }
  return sums;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_size: u32,
#endif
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let tile = flat / params.tokens;
  let token = flat - tile * params.tokens;
  let first = tile * 2u * TEAMS;
  if (first >= params.rows) {
    return;
  }
  let team = lane / LANES;
  let rows = min(first + 2u * team + vec2<u32>(0u, 1u), vec2<u32>(params.rows - 1u));
  let sums = team_sums(token, rows, lane % LANES);
#if SUBGROUPS
  let parts = LANES / subgroup_size;
  let sum = subgroupAdd(sums);
  if (subgroup_lane == 0u) {
    partial[team * PARTS + lane % LANES / subgroup_size] = sum;
  }
#else
  let parts = LANES;
  partial[lane] = sums;
#endif
  workgroupBarrier();
  if (lane < 2u * TEAMS && first + lane < params.rows) {
    var total = 0.0;
    for (var i = 0u; i < parts; i++) {
      total += partial[lane / 2u * PARTS + i][lane % 2u];
    }
    y[token * params.rows + first + lane] = Y(total);
  }
}
