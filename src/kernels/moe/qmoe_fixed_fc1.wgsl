// As qmoe_decode_fc1.wgsl, with products of integers (fixed_row.wgsl). One workgroup computes the inner activations of
// one unit of fc2's rows, and leaves them as packets. Of `inner`, params.head words hold the mixing weights (t, j) as
// floats and then the experts (t, j); the packets follow, by row (t, j), packet of a unit and unit; then the steps by
// row and unit. The first workgroups, one of each token, write weights and experts: a chain of its own that the others
// need not wait for. Then workgroups of all rows (t, j) at one unit follow one another: those that share an expert find
// its weights cached.
#include "kernels/common/flat_id.wgsl"
#include "kernels/moe/qmoe_params.wgsl"
@group(0) @binding(0) var<storage, read> x: array<vec4<X>>;
@group(0) @binding(5) var<storage, read> router: array<Q>;
@group(0) @binding(6) var<storage, read_write> inner: array<u32>;
#if NORM
@group(0) @binding(AT_GAMMA) var<storage, read> gamma: array<vec4<G>>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

const TEAMS: u32 = WG / LANES;
#if FUSED
const ROWS: u32 = 2u * UNIT_VALUES;  // weight rows of a workgroup: gate and linear row of an output follow one another
#else
const ROWS: u32 = UNIT_VALUES;
#endif
const CHUNKS: u32 = (UNITS + DEPTH * LANES - 1u) / (DEPTH * LANES);  // of a row
const ITEMS: u32 = ROWS / (2u * TEAMS) * CHUNKS;                     // of a team: a chunk of two rows each
var<private> x_start: u32;
var<workgroup> partial: array<vec2<f32>, ROWS / 2u * PARTS>;
var<workgroup> outputs: array<f32, UNIT_VALUES>;

#include "kernels/moe/select.wgsl"
#include "kernels/moe/activation.wgsl"
#include "kernels/matmul/nbits.wgsl"
#include "kernels/matmul/row_access.wgsl"
#include "kernels/matmul/fixed_row.wgsl"
#include "kernels/matmul/fixed_dot.wgsl"
#if NORM
#include "kernels/matmul/row_squares.wgsl"
#endif

fn fixed_packet(unit: u32, i: u32) -> vec4<u32> {
  return fixed_row[i * UNITS + unit];
}

fn fixed_step(unit: u32) -> f32 {
  return fixed_steps[unit];
}

// Rows 2 * pair and the next of a workgroup whose first output is `first`, in their expert.
fn row_pair(first: u32, pair: u32) -> vec2<u32> {
#if FUSED == 1
  return min(2u * (first + pair) + vec2<u32>(0u, 1u), vec2<u32>(params.rows - 1u));
#elif FUSED == 2
  return min(first + pair, params.inner - 1u) + vec2<u32>(0u, params.inner);
#else
  return min(first + 2u * pair + vec2<u32>(0u, 1u), vec2<u32>(params.rows - 1u));
#endif
}

fn item_sums(rows: vec2<u32>, begin: u32) -> vec2<f32> {
  var loaded: array<UnitPair, DEPTH>;
  for (var d = 0u; d < DEPTH; d++) {
    loaded[d] = load_pair(rows, min(begin + d * LANES, UNITS - 1u));
  }
  var sums = vec2<f32>();
  for (var d = 0u; d < DEPTH; d++) {
    let unit = begin + d * LANES;
    if (unit < UNITS) {
      sums += pair_products(loaded[d], unit);
    }
  }
  return sums;
}

fn pair_sum(expert_row: u32, first: u32, pair: u32, parts: u32) -> vec2<f32> {
  var sum = vec2<f32>();
  for (var i = 0u; i < parts; i++) {
    sum += partial[pair * PARTS + i];
  }
#if NORM
  sum *= inverseSqrt(staged_squares() / f32(params.k) + params.epsilon);
#endif
#if HAS_BIAS
  let rows = expert_row + row_pair(first, pair);
  sum += vec2<f32>(f32(bias[rows.x]), f32(bias[rows.y]));
#endif
  return sum;
}

// Output i of the workgroup; zero beyond the row's end.
fn output(expert_row: u32, first: u32, i: u32, parts: u32) -> f32 {
#if FUSED
  let sums = pair_sum(expert_row, first, i, parts);
  let value = activate(sums.x, sums.y);
#else
  let value = activate(pair_sum(expert_row, first, i / 2u, parts)[i % 2u], 0.0);
#endif
  return select(0.0, value, first + i < params.inner);
}

fn output_quad(q: u32) -> vec4<f32> {
  return vec4<f32>(outputs[4u * q], outputs[4u * q + 1u], outputs[4u * q + 2u], outputs[4u * q + 3u]);
}

fn store_head(token: u32, lane: u32) {
  for (var j = lane; j < params.top; j += WG) {
    inner[token * params.top + j] = bitcast<u32>(mixing_weight(token, j));
    inner[(params.tokens + token) * params.top + j] = chosen[j];
  }
}

// Packet i of a unit of the row, and its step.
fn store_packet(row: u32, unit: u32, i: u32) {
  var most = 0u;
  for (var q = 0u; q < UNIT_VALUES / 4u; q++) {
    most = max(most, magnitude_bits(output_quad(q)));
  }
  let packet = packet_of(in_byte_order(output_quad(2u * i), output_quad(2u * i + 1u)), most);
  let at = params.head + 4u * ((row * PACKETS + i) * params.inner_units + unit);
  for (var c = 0u; c < 4u; c++) {
    inner[at + c] = packet[c];
  }
  if (i == 0u) {
    let steps = params.head + params.tokens * params.top * params.inner_units * PACKETS * 4u;
    inner[steps + row * params.inner_units + unit] = bitcast<u32>(step_of(most));
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
#if SUBGROUPS
        @builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_size: u32,
#endif
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  if (flat < params.tokens) {
    load_keys(flat, lane);
    select_experts(lane);
    store_head(flat, lane);
    return;
  }
  let out_unit = (flat - params.tokens) / (params.tokens * params.top);
  let row = flat - params.tokens - out_unit * params.tokens * params.top;
  if (out_unit >= params.inner_units) {
    return;
  }
  let token = row / params.top;
  let last = WG - 1u - lane;  // the last invocations select while the first stage the row
  load_keys(token, last);
  x_start = token * params.k;
  let squares = begin_fixed_row(lane);
#if NORM && SUBGROUPS
  stage_squares(lane, squares, subgroup_lane, subgroup_size);
#elif NORM
  stage_squares(lane, squares);
#endif
  workgroupBarrier();
  end_fixed_row(lane);
  rank_experts(last);
  workgroupBarrier();
  let expert_row = chosen[row - token * params.top] * params.rows;
  let first = out_unit * UNIT_VALUES;
  var sums = vec2<f32>();
  for (var item = 0u; item < ITEMS; item++) {
    let pair = item / CHUNKS * TEAMS + lane / LANES;
    sums += item_sums(expert_row + row_pair(first, pair), item % CHUNKS * DEPTH * LANES + lane % LANES);
    if (item % CHUNKS == CHUNKS - 1u) {
#if SUBGROUPS
      let sum = subgroupAdd(sums);
      if (subgroup_lane == 0u) {
        partial[pair * PARTS + lane % LANES / subgroup_size] = sum;
      }
#else
      partial[pair * PARTS + lane % LANES] = sums;
#endif
      sums = vec2<f32>();
    }
  }
  workgroupBarrier();
#if SUBGROUPS
  let parts = LANES / subgroup_size;
#else
  let parts = LANES;
#endif
  if (lane < UNIT_VALUES) {
    outputs[lane] = output(expert_row, first, lane, parts);
  }
  workgroupBarrier();
  if (lane < PACKETS) {
    store_packet(row, out_unit, lane);
  }
}
