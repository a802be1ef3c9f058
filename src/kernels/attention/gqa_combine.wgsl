// out[row] = sum_i exp(m_i - m) sums_i / (sum_i exp(m_i - m) l_i + exp(sink - m)) over the splits i.
// A workgroup takes GROUP_ROWS rows, COLS * PARTS threads each: thread part * COLS + column of a row adds up its splits
// part, part + PARTS, ..., at most LOADS of them.
#include "kernels/common/flat_id.wgsl"
#include "kernels/attention/gqa_common.wgsl"
#include "kernels/attention/gqa_output.wgsl"

const COLS = D / 4u;
const ROW_THREADS = COLS * PARTS;
const LOADS = (SPLITS + PARTS - 1u) / PARTS;

@group(0) @binding(AT_SUMS) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(AT_STATS) var<storage, read> stats: array<vec2<f32>>;  // m_i, l_i

var<workgroup> split_stats: array<vec2<f32>, GROUP_ROWS * SPLITS>;
#if PARTS != 1
var<workgroup> merged: array<vec4<f32>, WG>;
#endif

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let group = flat_workgroup(id, n);
  if (group >= params.workgroups) { return; }
  let slot = min(thread / ROW_THREADS, GROUP_ROWS - 1u);
  let flat = min(group * GROUP_ROWS + slot, params.units - 1u);
  let row = flat % params.rows;
  let kv_head = flat / params.rows % params.kv_heads;
  let b = flat / (params.rows * params.kv_heads);
  let column = thread % COLS;
  let part = thread % ROW_THREADS / COLS;
  let used = used_splits(block_keys(b, row / ROWS));
  // Unused splits were not written: they repeat the first and weigh nothing.
  var values: array<vec4<f32>, LOADS>;
  for (var i = 0u; i < LOADS; i++) {
    let split = part + i * PARTS;
    values[i] = sums[(flat * SPLITS + select(0u, split, split < used)) * COLS + column];
  }
  for (var i = thread; i < GROUP_ROWS * SPLITS; i += WG) {
    split_stats[i] = stats[min(group * GROUP_ROWS * SPLITS + i, params.units * SPLITS - 1u)];
  }
  workgroupBarrier();
  let first = slot * SPLITS;
  var m = kMasked;
  for (var i = 0u; i < used; i++) { m = max(m, split_stats[first + i].x); }
  var l = 0.0;
  for (var i = 0u; i < used; i++) { l += split_stats[first + i].y * exp(split_stats[first + i].x - m); }
  var total = vec4<f32>(0.0);
  for (var i = 0u; i < LOADS; i++) {
    let split = part + i * PARTS;
    if (split < used) { total += values[i] * exp(split_stats[first + split].x - m); }
  }
#if PARTS != 1
  merged[thread] = total;
  workgroupBarrier();
  for (var i = 1u; i < PARTS; i++) { total += merged[min(thread + i * COLS, WG - 1u)]; }
#endif
  if (part > 0u || thread >= GROUP_ROWS * ROW_THREADS || group * GROUP_ROWS + slot >= params.units) { return; }
  let head = kv_head * params.group + row % params.group;
  let out_at = ((b * params.seq + row / params.group) * params.heads + head) * COLS;
  write_output(out_at + column, total * finish_factor(m, l, head));
}
