// Third step of a radix pass: moves each pair of a block to its digit's position, in order (stable). With LAST the
// first k positions become the result. One workgroup a block, WG pairs at a time. With BALLOTS the pairs of a subgroup
// that share a digit find one another by a vote on each of its bits (as in Onesweep: Adinets and Merrill, 2022);
// otherwise every invocation looks at all digits of the WG.
#include "kernels/topk/topk_common.wgsl"
#include "kernels/topk/topk_scan.wgsl"

@group(0) @binding(AT_COUNTS) var<storage, read> counts: array<u32>;  // (column, digit, block), of the blocks before
@group(0) @binding(AT_TOTALS) var<storage, read> totals: array<u32>;  // (column, digit)
#if !LAST
@group(0) @binding(AT_MOVED) var<storage, read_write> moved: array<vec2<u32>>;
#endif

const NO_DIGIT: u32 = 256u;
const DIGITS_EACH: u32 = 256u / WG;
var<workgroup> cursors: array<u32, 256>;
#if BALLOTS
const PARTS: u32 = WG / SG;
const PART_DIGITS: u32 = PARTS * 256u;
var<workgroup> part_counts: array<u32, PART_DIGITS>;  // (digit, subgroup)
#else
var<workgroup> digits: array<u32, WG>;
#endif

fn store(column: u32, position: u32, key: u32, origin: u32) {
#if LAST
  if (position < params.k) { store_result(column, position, origin); }
#else
  moved[column * params.n + position] = vec2<u32>(key, origin);
#endif
}

fn load_cursors(lane: u32, column: u32, block: u32) {
  var sum = 0u;
  for (var d = 0u; d < DIGITS_EACH; d++) { sum += totals[column * 256u + lane * DIGITS_EACH + d]; }
  var before = exclusive_scan(lane, sum);
  for (var d = 0u; d < DIGITS_EACH; d++) {
    let digit = column * 256u + lane * DIGITS_EACH + d;
    cursors[lane * DIGITS_EACH + d] = before + counts[digit * params.blocks + block];
    before += totals[digit];
  }
}

#if BALLOTS
// The position of a digit among the WG that are moved now; moves the cursors behind them.
fn position_of(lane: u32, digit: u32) -> u32 {
  for (var i = lane; i < PART_DIGITS; i += WG) { part_counts[i] = 0u; }
  workgroupBarrier();
  let sub = lane % SG;
  var peers = subgroupBallot(digit != NO_DIGIT).x;
  for (var bit = 0u; bit < 8u; bit++) {
    let mine = ((digit >> bit) & 1u) == 1u;
    let ones = subgroupBallot(mine).x;
    peers &= select(~ones, ones, mine);
  }
  let before = countOneBits(peers & ((1u << sub) - 1u));
  if (digit != NO_DIGIT && before == 0u) { part_counts[digit * PARTS + lane / SG] = countOneBits(peers); }
  workgroupBarrier();
  for (var d = lane; d < 256u; d += WG) {
    var at = cursors[d];
    for (var part = 0u; part < PARTS; part++) {
      let n = part_counts[d * PARTS + part];
      part_counts[d * PARTS + part] = at;
      at += n;
    }
    cursors[d] = at;
  }
  workgroupBarrier();
  return part_counts[(digit & 255u) * PARTS + lane / SG] + before;
}
#else
fn position_of(lane: u32, digit: u32) -> u32 {
  digits[lane] = digit;
  workgroupBarrier();
  var before = 0u;
  var same = 0u;
  for (var other = 0u; other < WG; other++) {
    let equal = select(0u, 1u, digits[other] == digit);
    same += equal;
    before += select(0u, equal, other < lane);
  }
  let start = cursors[digit & 255u];
  workgroupBarrier();
  if (digit != NO_DIGIT && before == 0u) { cursors[digit] = start + same; }
  return start + before;
}
#endif

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let column = flat / params.blocks;
  if (column >= params.columns) {
    return;
  }
  load_cursors(lane, column, flat % params.blocks);
  workgroupBarrier();
  let first = flat % params.blocks * params.size;
  for (var start = 0u; start < params.size; start += WG) {
    let i = first + start + lane;
    var key = 0u;
    var origin = 0u;
    var digit = NO_DIGIT;
    if (i < params.n) {
      key = key_at(column, i);
      origin = origin_at(column, i);
      digit = (key >> params.shift) & 255u;
    }
    let position = position_of(lane, digit);
    if (digit != NO_DIGIT) { store(column, position, key, origin); }
    workgroupBarrier();
  }
}
