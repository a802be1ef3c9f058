// The greatest logit's key and its lowest index, from every block's: known to all of a workgroup of WG threads.
var<workgroup> greatest_parts: array<vec2<u32>, WG>;

fn greater(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y));
}

fn workgroup_greatest(lane: u32, mine: vec2<u32>) -> vec2<u32> {
  greatest_parts[lane] = mine;
  workgroupBarrier();
  for (var s = WG / 2u; s > 0u; s /= 2u) {
    if (lane < s) { greatest_parts[lane] = greater(greatest_parts[lane], greatest_parts[lane + s]); }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&greatest_parts[0]);
}

fn greatest_logit(lane: u32) -> vec2<u32> {
  var best = vec2<u32>(0u, 0xffffffffu);
  for (var b = lane; b < params.blocks; b += WG) { best = greater(best, maxima[b]); }
  return workgroup_greatest(lane, best);
}
