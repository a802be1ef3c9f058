// out[row] = sum_i exp(m_i - m) sums_i / (sum_i exp(m_i - m) l_i + exp(sink - m)) over the splits i.
// One workgroup a row; thread = part * COLS + column takes the splits part, part + PARTS, ..., at most LOADS of them.
#include "kernels/common/flat_id.wgsl"
#include "kernels/attention/gqa_common.wgsl"
#include "kernels/attention/gqa_output.wgsl"

const COLS = D / 4u;
const PARTS = WG / COLS;
const LOADS = (SPLITS + PARTS - 1u) / PARTS;

@group(0) @binding(AT_SUMS) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(AT_STATS) var<storage, read> stats: array<vec2<f32>>;  // m_i, l_i

var<workgroup> split_stats: array<vec2<f32>, SPLITS>;
var<workgroup> merged: array<vec4<f32>, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let row = flat % params.rows;
  let kv_head = flat / params.rows % params.kv_heads;
  let b = flat / (params.rows * params.kv_heads);
  let used = used_splits(block_keys(b, row / ROWS));
  let base = flat * SPLITS;
  // Unused splits were not written: they repeat the first and weigh nothing.
  var values: array<vec4<f32>, LOADS>;
  for (var i = 0u; i < LOADS; i++) {
    let split = thread / COLS + i * PARTS;
    values[i] = sums[(base + select(0u, split, split < used)) * COLS + thread % COLS];
  }
  for (var i = thread; i < SPLITS; i += WG) { split_stats[i] = stats[base + select(0u, i, i < used)]; }
  workgroupBarrier();
  var m = kMasked;
  for (var i = 0u; i < used; i++) { m = max(m, split_stats[i].x); }
  var l = 0.0;
  for (var i = 0u; i < used; i++) { l += split_stats[i].y * exp(split_stats[i].x - m); }
  var total = vec4<f32>(0.0);
  for (var i = 0u; i < LOADS; i++) {
    let split = thread / COLS + i * PARTS;
    if (split < used) { total += values[i] * exp(split_stats[split].x - m); }
  }
  merged[thread] = total;
  workgroupBarrier();
  if (thread >= COLS) { return; }
  for (var part = 1u; part < PARTS; part++) { total += merged[part * COLS + thread]; }
  let head = kv_head * params.group + row % params.group;
  let out_at = ((b * params.seq + row / params.group) * params.heads + head) * COLS;
  write_output(out_at + thread, total * finish_factor(m, l, head));
}
