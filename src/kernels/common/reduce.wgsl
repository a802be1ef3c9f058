// workgroup_sum(lane, v), workgroup_max(lane, v): sum and maximum of one f32 of each of a workgroup's WG invocations,
// known to all of them afterwards. lane is local_invocation_index. Calls need uniform control flow and may follow one
// another: the barriers are inside. NaN: a sum keeps it, a maximum may lose it.
//
// Needs the defines WG (a power of two) and SUBGROUPS. With SUBGROUPS 1 also SG, the subgroup size, a power of two not
// above WG: plan it so only where caps.subgroup_min == caps.subgroup_max, and with a one-dimensional workgroup.
#if SUBGROUPS
const REDUCE_PARTS: u32 = WG / SG;
var<workgroup> reduce_parts: array<f32, REDUCE_PARTS>;

fn workgroup_sum(lane: u32, v: f32) -> f32 {
  let part = subgroupAdd(v);
  if (lane % SG == 0u) { reduce_parts[lane / SG] = part; }
  workgroupBarrier();
  var sum = 0.0;
  for (var i = lane % SG; i < REDUCE_PARTS; i += SG) { sum += reduce_parts[i]; }
  workgroupBarrier();
  return subgroupAdd(sum);
}

fn workgroup_max(lane: u32, v: f32) -> f32 {
  let part = subgroupMax(v);
  if (lane % SG == 0u) { reduce_parts[lane / SG] = part; }
  workgroupBarrier();
  var largest = part;
  for (var i = lane % SG; i < REDUCE_PARTS; i += SG) { largest = max(largest, reduce_parts[i]); }
  workgroupBarrier();
  return subgroupMax(largest);
}
#else
var<workgroup> reduce_parts: array<f32, WG>;

fn workgroup_sum(lane: u32, v: f32) -> f32 {
  reduce_parts[lane] = v;
  workgroupBarrier();
  for (var s = WG / 2u; s > 0u; s /= 2u) {
    if (lane < s) { reduce_parts[lane] += reduce_parts[lane + s]; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&reduce_parts[0]);
}

fn workgroup_max(lane: u32, v: f32) -> f32 {
  reduce_parts[lane] = v;
  workgroupBarrier();
  for (var s = WG / 2u; s > 0u; s /= 2u) {
    if (lane < s) { reduce_parts[lane] = max(reduce_parts[lane], reduce_parts[lane + s]); }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&reduce_parts[0]);
}
#endif
