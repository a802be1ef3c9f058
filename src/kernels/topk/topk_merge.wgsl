// Merges all sorted runs of a column at once: the rank of an element is its place in its own run and, by binary search,
// the number of elements before it in every other run. Indices grow from run to run, so that equals in earlier runs come
// before it and those in later ones after it. One invocation an element of a run; ranks below k are the result.
#include "kernels/topk/topk_common.wgsl"

@group(0) @binding(AT_RUN_KEYS) var<storage, read> run_keys: array<u32>;
@group(0) @binding(AT_RUN_ORIGINS) var<storage, read> run_origins: array<u32>;

// How many keys of each of four runs, at `first` and `length` long, are below `key`, or with `equals` not above it. The
// four searches wait for memory together.
fn count_before(first: vec4<u32>, length: vec4<u32>, key: u32, equals: vec4<bool>) -> u32 {
  let last = max(length, vec4<u32>(1u)) - vec4<u32>(1u);
  var counts = vec4<u32>();
  for (var jump = RUN; jump > 0u; jump /= 2u) {
    let at = first + min(counts + vec4<u32>(jump - 1u), last);
    let others = vec4<u32>(run_keys[at.x], run_keys[at.y], run_keys[at.z], run_keys[at.w]);
    let below = (others < vec4<u32>(key)) | ((others == vec4<u32>(key)) & equals);
    let inside = counts + vec4<u32>(jump) <= length;
    counts += select(vec4<u32>(0u), vec4<u32>(jump), below & inside);
  }
  return counts.x + counts.y + counts.z + counts.w;
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
  for (var run = 0u; run < params.blocks && rank < params.k; run += 4u) {
    let runs = vec4<u32>(run) + vec4<u32>(0u, 1u, 2u, 3u);
    let begin = min(runs * kept, vec4<u32>(params.out_n));
    let length = min(vec4<u32>(kept), vec4<u32>(params.out_n) - begin);
    let searched = select(length, vec4<u32>(0u), runs == vec4<u32>(own));
    let first = min(begin, vec4<u32>(params.out_n - 1u));
    rank += count_before(vec4<u32>(column * params.out_n) + first, searched, key, runs < vec4<u32>(own));
  }
  if (rank < params.k) { store_result(column, rank, run_origins[flat]); }
}
