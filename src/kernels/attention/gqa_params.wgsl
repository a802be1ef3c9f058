// Parameters and lengths that all kernels of GroupQueryAttention share. Mirrors gqa::Params.

struct Params {
  seq: u32,
  heads: u32,
  kv_heads: u32,
  group: u32,        // query heads per KV head
  capacity: u32,
  q_stride: u32,     // elements from one token's query to the next
  kv_stride: u32,    // the same of keys and values
  k_offset: u32,     // elements from a token's first to its first key, where they are packed
  v_offset: u32,
  positions: u32,    // rows of the cos and sin tables
  half: u32,         // rotary dimension / 2; 0 without rotation
  units: u32,        // heads that a dispatch of gqa_append.wgsl handles, rows of gqa_combine.wgsl
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
  epsilon: f32,
  pad0: u32,
}

@group(0) @binding(AT_LEN) var<storage, read> seqlens: array<i32>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

fn past_length(b: u32) -> i32 {
  return max(0, seqlens[b] + 1 - i32(params.seq));
}
