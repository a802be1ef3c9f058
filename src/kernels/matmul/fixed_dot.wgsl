// Dot products of two weight rows with one row of packets (fixed_row.wgsl). The includer defines fixed_packet(unit, i),
// the packets of a unit, and fixed_step(unit), what products with its numbers are to be multiplied by.
const GROUPS: u32 = 8u / BITS;  // words of four bytes that a word of weights becomes

// Weights of a word as signed bytes: (q - 2^(BITS-1)) * 2^(8-BITS), every GROUPS-th from `group` on.
fn weight_bytes(word: u32, group: u32) -> u32 {
#if BITS == 8
  return word ^ 0x80808080u;
#else
  return ((word << (4u - 4u * group)) & 0xf0f0f0f0u) ^ 0x80808080u;
#endif
}

// A unit of each of the two rows.
struct UnitPair {
  first: vec4<u32>,
  second: vec4<u32>,
  scales: vec2<f32>,
#if ZP
  zeros: vec2<f32>,
#endif
}

fn load_pair(rows: vec2<u32>, unit: u32) -> UnitPair {
  var pair: UnitPair;
  pair.first = weights[rows.x * params.row_pitch + unit];
  pair.second = weights[rows.y * params.row_pitch + unit];
  let block = block_of(unit * UNIT_VALUES);
  pair.scales = vec2<f32>(scale_of(rows.x, block), scale_of(rows.y, block));
#if ZP
  pair.zeros = vec2<f32>(zero_point_of(rows.x, block), zero_point_of(rows.y, block));
#endif
  return pair;
}

fn packet_dot(words: vec4<u32>, i: u32, x: vec2<u32>) -> i32 {
  return dot4I8Packed(weight_bytes(words[2u * i / GROUPS], 2u * i % GROUPS), x.x) +
         dot4I8Packed(weight_bytes(words[(2u * i + 1u) / GROUPS], (2u * i + 1u) % GROUPS), x.y);
}

// (row . x) over one unit, for both rows.
fn pair_products(pair: UnitPair, unit: u32) -> vec2<f32> {
  var high: vec2<i32>;
  var low: vec2<i32>;
#if ZP
  var ones = 0;
#endif
  for (var i = 0u; i < PACKETS; i++) {
    let x = fixed_packet(unit, i);
    high += vec2<i32>(packet_dot(pair.first, i, x.xy), packet_dot(pair.second, i, x.xy));
    low += vec2<i32>(packet_dot(pair.first, i, x.zw), packet_dot(pair.second, i, x.zw));
#if ZP
    ones += ((dot4I8Packed(x.x, 0x01010101u) + dot4I8Packed(x.y, 0x01010101u)) << 8u) +
            dot4I8Packed(x.z, 0x01010101u) + dot4I8Packed(x.w, 0x01010101u);
#endif
  }
  var products = vec2<f32>((high << vec2<u32>(8u)) + low);
#if ZP
  products += (f32(1u << (BITS - 1u)) - pair.zeros) * (f32(1u << (8u - BITS)) * f32(ones));
#endif
  return products * pair.scales * fixed_step(unit);
}
