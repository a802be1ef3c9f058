// The uniforms of every QMoE kernel.
struct Params {
  tokens: u32,       // of this run of the kernels
  first_token: u32,  // of them, in the tensors
  experts: u32,
  top: u32,          // experts of a token
  inner: u32,
  hidden: u32,
  rows: u32,         // weight rows of an expert, and their length
  k: u32,
  row_pitch: u32,    // see nbits.wgsl
  blocks: u32,
  zero_pitch: u32,
  head: u32,         // elements before the first inner activation (decode) or before the sorted list (prefill)
  tiles: u32,        // along the outputs
  alpha: f32,
  beta: f32,
  limit: f32,
  inner_units: u32,  // units of a row of inner activations (decode)
  epsilon: f32,  // of the norm before the experts
  scale: f32,  // of the sum of the experts
  least_log: f32,  // of a sigmoid router's scores
  score_epsilon: f32,
}
