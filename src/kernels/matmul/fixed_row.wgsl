// One row of activations in workgroup memory as numbers of 16 bits, with a step for each unit of UNIT_VALUES: what they
// lose is a sixteenth of what float16 loses of the unit's largest. Each number is two signed bytes, 256 * high + low,
// which lie in words of their own: dot4I8Packed multiplies them with weights that are bytes, too (fixed_dot.wgsl).
//
// A packet is what eight activations become: vec4(high, high, low, low), the bytes of a word in the order in which
// weight_bytes() takes weights from theirs. A row lies by packet of a unit first, so that invocations that read
// neighbouring units read neighbouring packets.
//
// To be included where row_quad(k) (and gamma_quad(k), with NORM) are; UNITS is the number of units of the row.
#include "kernels/matmul/magnitude.wgsl"
const PACKETS: u32 = UNIT_VALUES / 8u;  // of a unit
const ROW_PACKETS: u32 = UNITS * PACKETS;
const FIXED_ROUNDS: u32 = (ROW_PACKETS + WG - 1u) / WG;
const FIXED_MOST: f32 = 32639.0;  // 127 * 256 + 127

var<workgroup> fixed_row: array<vec4<u32>, ROW_PACKETS>;
var<workgroup> fixed_most: array<u32, ROW_PACKETS>;  // bits of the largest magnitude of each packet
var<workgroup> fixed_steps: array<f32, UNITS>;
var<private> own_packets: array<array<vec4<f32>, 2>, FIXED_ROUNDS>;

// The eight values of a packet in the order of the bytes of its two words.
fn in_byte_order(first: vec4<f32>, second: vec4<f32>) -> array<vec4<f32>, 2> {
#if BITS == 4
  return array<vec4<f32>, 2>(vec4<f32>(first.xz, second.xz), vec4<f32>(first.yw, second.yw));
#else
  return array<vec4<f32>, 2>(first, second);
#endif
}

// The largest of a unit's magnitudes, as bits: above every number if there is a NaN.
fn unit_most(unit: u32) -> u32 {
  var most = 0u;
  for (var i = 0u; i < PACKETS; i++) {
    most = max(most, fixed_most[unit * PACKETS + i]);
  }
  return most;
}

// What a product of a number of a unit with this largest magnitude and a weight byte is to be multiplied by; NaN if
// that is infinite or NaN.
fn step_of(most: u32) -> f32 {
  let step = bitcast<f32>(most) * (1.0 / (FIXED_MOST * f32(1u << (8u - BITS))));
  return select(step, bitcast<f32>(most | 0x7fc00000u), most >= 0x7f800000u);
}

fn packet_of(values: array<vec4<f32>, 2>, most: u32) -> vec4<u32> {
  let m = bitcast<f32>(most);
  let inverse = select(0.0, FIXED_MOST / m, most < 0x7f800000u && m > 1e-30);
  let a = vec4<i32>(round(values[0] * inverse));
  let b = vec4<i32>(round(values[1] * inverse));
  let byte = vec4<u32>(8u);
  return vec4<u32>(pack4xI8((a + 128) >> byte), pack4xI8((b + 128) >> byte), pack4xI8(a), pack4xI8(b));
}

// Reads the row; returns the sum of squares of what this invocation read (with NORM). A barrier must follow.
fn begin_fixed_row(lane: u32) -> f32 {
  var squares = 0.0;
  for (var r = 0u; r < FIXED_ROUNDS; r++) {
    let packet = r * WG + lane;
    if (packet < ROW_PACKETS) {
      var first = row_quad(8u * packet);
      var second = row_quad(8u * packet + 4u);
#if NORM
      squares += dot(first, first) + dot(second, second);
      first *= gamma_quad(8u * packet);
      second *= gamma_quad(8u * packet + 4u);
#endif
      own_packets[r] = in_byte_order(first, second);
      fixed_most[packet] = max(magnitude_bits(first), magnitude_bits(second));
    }
  }
  return squares;
}

// After that barrier; another one must follow.
fn end_fixed_row(lane: u32) {
  for (var r = 0u; r < FIXED_ROUNDS; r++) {
    let packet = r * WG + lane;
    if (packet < ROW_PACKETS) {
      let unit = packet / PACKETS;
      let most = unit_most(unit);
      fixed_row[packet % PACKETS * UNITS + unit] = packet_of(own_packets[r], most);
      if (packet % PACKETS == 0u) {
        fixed_steps[unit] = step_of(most);
      }
    }
  }
}
