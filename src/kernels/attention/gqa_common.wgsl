// What the attention kernels share: parameters, which keys a query sees, and how the keys of a block of rows are split.
// A row is one (new token s, query head of the KV head's group): row = s * group + head in group.
// A block is ROWS rows of one KV head; its keys are cut into params.splits chunks of whole tiles of KEYS keys.

struct Params {
  seq: u32,
  heads: u32,
  kv_heads: u32,
  group: u32,        // query heads per KV head
  capacity: u32,
  q_stride: u32,     // vec4s from one token's query to the next
  rows: u32,         // seq * group
  blocks: u32,       // ceil(rows / ROWS)
  splits: u32,
  workgroups: u32,
  window: u32,       // 0: no window
  bias_batch: u32,   // strides of the bias in elements; 0 where it repeats
  bias_head: u32,
  bias_row: u32,
  scale: f32,
  softcap: f32,
}

@group(0) @binding(AT_LEN) var<storage, read> seqlens: array<i32>;
#if HAS_SINK
@group(0) @binding(AT_SINK) var<storage, read> sinks: array<SK>;
#endif
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

// Score of a key that a row does not see. Sums start at it too, so that no inf - inf can arise.
const kMasked = -3.4e38;

struct Keys {
  first: i32,
  last: i32,    // exclusive
  chunk: i32,   // keys of a split
}

fn past_length(b: u32) -> i32 {
  return max(0, seqlens[b] + 1 - i32(params.seq));
}

fn first_key(past: i32, s: u32) -> i32 {
  return select(0, max(0, past + i32(s) + 1 - i32(params.window)), params.window > 0u);
}

// Exclusive. Rows of padding, beyond a sequence's length, see the whole sequence.
fn last_key(b: u32, past: i32, s: u32) -> i32 {
  return clamp(past + i32(s) + 1, 0, min(seqlens[b] + 1, i32(params.capacity)));
}

fn block_keys(b: u32, block: u32) -> Keys {
  let past = past_length(b);
  let row = block * ROWS;
  let last_row = min(row + ROWS, params.rows) - 1u;
  let last = last_key(b, past, last_row / params.group);
  let first = min(first_key(past, row / params.group), last);
  let tiles = (last - first + i32(KEYS) - 1) / i32(KEYS);
  let chunk = (tiles + i32(params.splits) - 1) / i32(params.splits) * i32(KEYS);
  return Keys(first, last, max(chunk, i32(KEYS)));
}

// o / l, where the sums o and l are relative to exp(m) and lack the sink.
fn finish_factor(m: f32, l: f32, head: u32) -> f32 {
#if HAS_SINK
  let sink = f32(sinks[head]);
#else
  let sink = 0.0;
#endif
#if HAS_SINK || SMOOTH
  let top = max(m, sink);
  return exp(m - top) / (l * exp(m - top) + exp(sink - top));
#else
  return select(1.0 / l, 0.0, l == 0.0);
#endif
}
