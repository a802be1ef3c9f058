// The first k elements of a block of a column, without sorting the rest: the k-th key is found by radix selection, 8
// bits a pass, then what lies before it, and of its equals the first ones, are listed in the order of their index. With
// LAST, where a column is one block, the list is ranked and becomes the result. One workgroup a block of WG * PER
// elements, PER neighbours an invocation.
#include "kernels/topk/topk_common.wgsl"
#include "kernels/topk/topk_scan.wgsl"

#if LAST
var<workgroup> listed_keys: array<u32, WG>;
var<workgroup> listed_origins: array<u32, WG>;
#else
@group(0) @binding(AT_KEPT) var<storage, read_write> kept: array<vec2<u32>>;
#endif
var<workgroup> tally: array<atomic<u32>, 256>;
var<workgroup> found: vec2<u32>;

struct Threshold {
  key: u32,
  equals: u32,  // elements equal to the key that belong to the first k
}

fn find_threshold(lane: u32, keys: ptr<function, array<u32, PER>>, inside: u32) -> Threshold {
  var prefix = 0u;
  var rest = params.k;
  for (var done = 0u; done < 4u; done++) {
    let shift = 24u - 8u * done;
    // Bits above the digit; a shift by 32 would be one by 0.
    let mask = select(0u, 0xffffffffu << ((shift + 8u) % 32u), done > 0u);
    atomicStore(&tally[lane], 0u);
    workgroupBarrier();
    for (var j = 0u; j < PER; j++) {
      let key = (*keys)[j];
      if (j < inside && (key & mask) == prefix) { atomicAdd(&tally[(key >> shift) & 255u], 1u); }
    }
    workgroupBarrier();
    let mine = atomicLoad(&tally[lane]);
    let before = exclusive_scan(lane, mine);
    if (before < rest && rest - before <= mine) {
      found = vec2<u32>(lane | select(0u, 256u, rest - before == mine), rest - before);
    }
    let digit = workgroupUniformLoad(&found);
    prefix |= (digit.x & 255u) << shift;
    rest = digit.y;
    // All elements with these digits belong to the first k: the digits that follow do not matter.
    if (digit.x >= 256u) { return Threshold(prefix | ((1u << shift) - 1u), 0xffffu); }
  }
  return Threshold(prefix, rest);
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count);
  let column = flat / params.blocks;
  if (column >= params.columns) {
    return;
  }
  let block = flat % params.blocks;
  let length = min(params.size, params.n - block * params.size);
  let first = block * params.size + lane * PER;
  let inside = select(0u, min(PER, length - lane * PER), lane * PER < length);
  var keys = array<u32, PER>();
  for (var j = 0u; j < PER; j++) {
    if (j < inside) { keys[j] = key_at(column, first + j); }
  }
  var threshold = Threshold(0xffffffffu, 0xffffu);
  if (length > params.k) { threshold = find_threshold(lane, &keys, inside); }

  var counts = 0u;  // those before the threshold, and its equals from bit 16 on
  for (var j = 0u; j < PER; j++) {
    if (j >= inside) { continue; }
    counts += select(0u, 1u, keys[j] < threshold.key) + select(0u, 0x10000u, keys[j] == threshold.key);
  }
  var before = exclusive_scan(lane, counts);
  for (var j = 0u; j < PER; j++) {
    if (j >= inside) { continue; }
    let less = keys[j] < threshold.key;
    let equal = keys[j] == threshold.key;
    let to = (before & 0xffffu) + min(before >> 16u, threshold.equals);
    if (less || (equal && (before >> 16u) < threshold.equals)) {
#if LAST
      listed_keys[to] = keys[j];
      listed_origins[to] = origin_at(column, first + j);
#else
      kept[column * params.out_n + block * params.k + to] = vec2<u32>(keys[j], origin_at(column, first + j));
#endif
    }
    before += select(0u, 1u, less) + select(0u, 0x10000u, equal);
  }
#if LAST
  workgroupBarrier();
  let listed = min(params.k, length);
  if (lane >= listed) {
    return;
  }
  let key = listed_keys[lane];
  var rank = 0u;
  for (var other = 0u; other < listed; other++) {
    let k = listed_keys[other];
    rank += select(0u, 1u, k < key || (k == key && other < lane));
  }
  store_result(column, rank, listed_origins[lane]);
#endif
}
