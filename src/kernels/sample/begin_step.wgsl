// target_k[i] = past_length + offset_k (+ i for kind 1), or active for kind 2; one workgroup writes all targets. Those
// beyond TARGETS are declared but unused, which leaves a binding to params.
struct Params {
  counts: array<vec4<u32>, 2>,
  offsets: array<vec4<i32>, 2>,
  kinds: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<storage, read> state: array<u32>;
@group(0) @binding(1) var<storage, read_write> t0: array<i32>;
@group(0) @binding(2) var<storage, read_write> t1: array<i32>;
@group(0) @binding(3) var<storage, read_write> t2: array<i32>;
@group(0) @binding(4) var<storage, read_write> t3: array<i32>;
@group(0) @binding(5) var<storage, read_write> t4: array<i32>;
@group(0) @binding(6) var<storage, read_write> t5: array<i32>;
@group(0) @binding(7) var<storage, read_write> t6: array<i32>;
@group(0) @binding(TARGETS + 1u) var<uniform> params: Params;

fn count(k: u32) -> u32 { return params.counts[k / 4u][k % 4u]; }

fn value(k: u32, i: u32) -> i32 {
  let kind = params.kinds[k / 4u][k % 4u];
  if (kind == 2u) { return i32(state[2]); }
  return i32(state[0]) + params.offsets[k / 4u][k % 4u] + i32(select(0u, i, kind == 1u));
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
#if HAS0
  for (var i = lane; i < count(0u); i += WG) { t0[i] = value(0u, i); }
#endif
#if HAS1
  for (var i = lane; i < count(1u); i += WG) { t1[i] = value(1u, i); }
#endif
#if HAS2
  for (var i = lane; i < count(2u); i += WG) { t2[i] = value(2u, i); }
#endif
#if HAS3
  for (var i = lane; i < count(3u); i += WG) { t3[i] = value(3u, i); }
#endif
#if HAS4
  for (var i = lane; i < count(4u); i += WG) { t4[i] = value(4u, i); }
#endif
#if HAS5
  for (var i = lane; i < count(5u); i += WG) { t5[i] = value(5u, i); }
#endif
#if HAS6
  for (var i = lane; i < count(6u); i += WG) { t6[i] = value(6u, i); }
#endif
}
