// What the attention kernels share: which keys a query sees, and how the keys of a block of rows are split.
// A row is one (new token s, query head of the KV head's group): row = s * group + head in group.
// A block is ROWS rows of one KV head; its keys are cut into params.splits chunks of whole tiles of KEYS keys.
#include "kernels/attention/gqa_params.wgsl"

#if HAS_SINK
@group(0) @binding(AT_SINK) var<storage, read> sinks: array<SK>;
#endif

// Score of a key that a row does not see. Sums start at it too, so that no inf - inf can arise.
const kMasked = -3.4e38;

struct Keys {
  first: i32,
  last: i32,    // exclusive
  chunk: i32,   // keys of a split
}

fn first_key(past: i32, s: u32) -> i32 {
  return select(0, max(0, past + i32(s) + 1 - i32(params.window)), params.window > 0u);
}

// Exclusive. Rows of padding, beyond a sequence's length, see the whole sequence. A token that is turned where it is
// read is not among the keys in the cache.
fn last_key(b: u32, past: i32, s: u32) -> i32 {
  return clamp(past + i32(s) + 1 - i32(TURN), 0, clamp(seqlens[b] + 1, 0, i32(params.capacity)));
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

// Splits that have something to say: at least one where the new token's key is not in the cache.
fn used_splits(keys: Keys) -> u32 {
  return max(u32((keys.last - keys.first + keys.chunk - 1) / keys.chunk), TURN);
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
