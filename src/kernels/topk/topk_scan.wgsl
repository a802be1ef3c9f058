// exclusive_scan(lane, v): the sum of v over the invocations before this one, of a workgroup of WG. Needs uniform
// control flow; the barriers are inside. With SUBGROUPS 1, SG is the size of every subgroup and divides WG.
#if SUBGROUPS
const SCAN_PARTS: u32 = WG / SG;
var<workgroup> scan_parts: array<u32, SCAN_PARTS>;

fn exclusive_scan(lane: u32, v: u32) -> u32 {
  let inside = subgroupExclusiveAdd(v);
  if (lane % SG == SG - 1u) { scan_parts[lane / SG] = inside + v; }
  workgroupBarrier();
  var before = inside;
  for (var part = 0u; part < lane / SG; part++) { before += scan_parts[part]; }
  workgroupBarrier();
  return before;
}
#else
var<workgroup> scan_parts: array<u32, WG>;

fn exclusive_scan(lane: u32, v: u32) -> u32 {
  var sum = v;
  for (var distance = 1u; distance < WG; distance *= 2u) {
    scan_parts[lane] = sum;
    workgroupBarrier();
    if (lane >= distance) { sum += scan_parts[lane - distance]; }
    workgroupBarrier();
  }
  return sum - v;
}
#endif
