// Merges all sorted runs of a column at once: the rank of an element is its place in its own run and, by binary search,
// the number of elements before it in every other run. Indices grow from run to run, so that equals in earlier runs come
// before it and those in later ones after it. One invocation an element of a run; ranks below k are the result.
#include "kernels/topk/topk_common.wgsl"

@group(0) @binding(AT_RUN_KEYS) var<storage, read> run_keys: array<u32>;
@group(0) @binding(AT_RUN_ORIGINS) var<storage, read> run_origins: array<u32>;

// How many of `length` ascending keys from `first` on are below `key`, or with `equals` not above it.
fn count_before(first: u32, length: u32, key: u32, equals: bool) -> u32 {
  var count = 0u;
  for (var jump = RUN; jump > 0u; jump /= 2u) {
    if (count + jump <= length) {
      let other = run_keys[first + count + jump - 1u];
      if (other < key || (equals && other == key)) { count += jump; }
    }
  }
  return count;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>) {
  let flat = flat_workgroup(id, count) * WG + lane;
  let column = flat / params.out_n;
  if (column >= params.columns) {
    return;
  }
  let i = flat % params.out_n;
  let kept = min(params.k, RUN);
  let own = i / kept;
  let key = run_keys[flat];
  var rank = i % kept;
  for (var run = 0u; run < params.blocks && rank < params.k; run++) {
    if (run == own) { continue; }
    let length = min(kept, params.out_n - run * kept);
    rank += count_before(column * params.out_n + run * kept, length, key, run < own);
  }
  if (rank < params.k) { store_result(column, rank, run_origins[flat]); }
}
