// Steps of attention over a windowed cache. T = seqlens + 1 positions so far, of which the past cache holds the newest
// resident(T - seq) in rows from 0 on; behind them the scratch cache takes the seq new ones.
// STEP 0: lengths of the scratch cache (less 1) and absolute positions of the new tokens, one thread a token.
// STEP 1: the newest resident(T) rows of the scratch cache to the front of the present one, 0 behind; a thread an element.
// STEP 2: the bias's columns of the scratch cache's rows, one thread an element.
#include "kernels/common/flat_id.wgsl"

struct Params {
  batch: u32,
  seq: u32,
  kv_heads: u32,
  capacity: u32,    // rows of past and present
  window: u32,
  cols: u32,        // of a row
  elements: u32,
  bias_heads: u32,
  bias_batch: u32,  // 0 if one bias serves all batch entries
  bias_total: u32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(AT_LEN) var<storage, read> seqlens: array<i32>;
#if STEP == 0
@group(0) @binding(AT_WORK) var<storage, read_write> work_lengths: array<i32>;
@group(0) @binding(AT_POS) var<storage, read_write> positions: array<i32>;
#else
@group(0) @binding(AT_FROM) var<storage, read> from_rows: array<T>;
@group(0) @binding(AT_TO) var<storage, read_write> to_rows: array<T>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

// Positions that a cache holds after `total`.
fn resident(total: u32) -> u32 {
  if (total <= params.capacity) { return total; }
  let block = params.capacity - params.window + 1u;
  return total - block * ((total - params.capacity + block - 1u) / block);
}

fn past_length(b: u32) -> u32 { return u32(max(0, seqlens[b] + 1 - i32(params.seq))); }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * 256u + thread;
  if (index >= params.elements) { return; }
#if STEP == 0
  let b = index / params.seq;
  let s = index % params.seq;
  let past = past_length(b);
  positions[index] = i32(past + s);
  if (s == 0u) {
    // A first prompt may be shorter than its row of tokens.
    let added = min(seqlens[b] + 1, i32(params.seq));
    work_lengths[b] = i32(resident(past)) + added - 1;
  }
#elif STEP == 1
  let d = index % params.cols;
  let row = index / params.cols % params.capacity;
  let head = index / params.cols / params.capacity;   // b * kv_heads + kv_head
  let b = head / params.kv_heads;
  let past = past_length(b);
  let total = u32(max(0, seqlens[b] + 1));
  let kept = resident(total);
  var value = T(0.0);
  if (row < kept) {
    let work = head * (params.capacity + params.seq) + resident(past) + (total - past) - kept + row;
    value = from_rows[work * params.cols + d];
  }
  to_rows[index] = value;
#else
  let column = index % params.cols;
  let row = index / params.cols;   // (b * heads + head) * seq + s
  let b = row / params.seq / params.bias_heads;
  let past = past_length(b);
  let at = past - resident(past) + column;
  let from_row = select(row % (params.bias_heads * params.seq), row, params.bias_batch == 1u);
  var value = T(0.0);
  if (at < params.bias_total) { value = from_rows[from_row * params.bias_total + at]; }
  to_rows[index] = value;
#endif
}
