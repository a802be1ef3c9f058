// out[row] = sum_i exp(m_i - m) sums_i / (sum_i exp(m_i - m) l_i + exp(sink - m)) over the splits i.
// One workgroup a row.
#include "kernels/common/flat_id.wgsl"
#include "kernels/attention/gqa_common.wgsl"

const WG = 64u;

@group(0) @binding(AT_SUMS) var<storage, read> sums: array<f32>;
@group(0) @binding(AT_STATS) var<storage, read> stats: array<vec2<f32>>;  // m_i, l_i
@group(0) @binding(AT_OUT) var<storage, read_write> output: array<T>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let row = flat % params.rows;
  let kv_head = flat / params.rows % params.kv_heads;
  let b = flat / (params.rows * params.kv_heads);
  let keys = block_keys(b, row / ROWS);
  let used = u32((keys.last - keys.first + keys.chunk - 1) / keys.chunk);
  let base = flat * params.splits;
  var m = kMasked;
  for (var i = 0u; i < used; i++) { m = max(m, stats[base + i].x); }
  var l = 0.0;
  for (var i = 0u; i < used; i++) { l += stats[base + i].y * exp(stats[base + i].x - m); }
  let head = kv_head * params.group + row % params.group;
  let factor = finish_factor(m, l, head);
  let out_at = ((b * params.seq + row / params.group) * params.heads + head) * D;
  for (var d = thread; d < D; d += WG) {
    var total = 0.0;
    for (var i = 0u; i < used; i++) { total += sums[(base + i) * D + d] * exp(stats[base + i].x - m); }
    output[out_at + d] = T(total * factor);
  }
}
