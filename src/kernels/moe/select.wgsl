// The k experts of a token with the largest logits, in order. Every expert counts those before it, in parallel.
// Included where `router: array<Q>`, params.experts, params.top, WG, EXPERTS and SPLIT exist.
// Equal logits (-0 equals 0) go to the higher expert: ONNX Runtime's CPU kernels sort pairs of logit and expert in
// descending order. (Its WebGPU gate keeps the lower one.) The sparse mixer (MIX 4) exists in its CUDA kernel only, and
// there ties go to the lower expert.
// A sigmoid router (MIX 5) chooses by the logit's sigmoid plus the expert's bias, both rounded to C as where nodes of
// their own compute them, and of equal ones the lower, as TopK does.
// A NaN comes before every number, so that a token with a NaN gets weights of zero, as one whose largest logit is
// infinite does.
#include "kernels/common/float_bits.wgsl"

#if MIX == 2 || MIX == 3
@group(0) @binding(AT_ROUTER_WEIGHTS) var<storage, read> router_weights: array<M>;
#endif
#if HAS_CHOICE_BIAS
@group(0) @binding(AT_CHOICE_BIAS) var<storage, read> choice_bias: array<C>;
#endif

var<workgroup> keys: array<vec4<u32>, EXPERTS / 4u>;
var<workgroup> chosen: array<u32, EXPERTS>;  // expert by rank; valid below params.top

fn logit_key(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return order_key(bitcast<f32>(select(bits, 0u, bits == 0x80000000u)));
}

#if MIX == 5
fn score(logit: f32) -> f32 {
  return 1.0 / (1.0 + exp(min(-logit, 88.0)));
}

fn choice_of(x: f32) -> f32 {
#if C == f16
  return nearest_half(x);
#else
  return x;
#endif
}

fn log_score(logit: f32) -> f32 {
  return max(min(logit, 0.0) - log(1.0 + exp(max(-abs(logit), -88.0))), params.least_log);
}
#endif

fn expert_key(logit: f32, expert: u32) -> u32 {
#if MIX != 5
  return logit_key(logit);
#else
  var choice = choice_of(score(logit));
#if HAS_CHOICE_BIAS
  choice = choice_of(choice + f32(choice_bias[expert]));
#endif
  return select(logit_key(choice), 0xffffffffu, is_nan(logit));
#endif
}

// Leaves the keys of a token's experts in workgroup memory: before other work, for its latency.
fn load_keys(token: u32, lane: u32) {
  let start = token * params.experts;
  for (var block = lane; block < EXPERTS / 4u; block += WG) {
    var four: vec4<u32>;
    for (var i = 0u; i < 4u; i++) {
      let e = 4u * block + i;
      let expert = min(e, params.experts - 1u);
      four[i] = select(0u, expert_key(f32(router[start + expert]), expert), e < params.experts);
    }
    keys[block] = four;
  }
}

// How many experts of every SPLIT-th block of four come before expert e. All blocks but its own are after it or before
// it.
fn count_before(e: u32, key: u32, part: u32) -> u32 {
  let block = e / 4u;
  var before = vec4<u32>();
  for (var round = 0u; round < EXPERTS / (4u * SPLIT); round++) {  // a constant number, so that compilers unroll it
    let i = round * SPLIT + part;
    // Equal keys of experts that come first count as greater: keys of experts are never 0.
#if MIX == 4 || MIX == 5
    let least = vec4<u32>(key - u32(i < block));
#else
    let least = vec4<u32>(key - u32(i > block));
#endif
    before += vec4<u32>(keys[i] > least);
  }
  if (part == 0u) {
    let others = vec4<u32>(4u * block) + vec4<u32>(0u, 1u, 2u, 3u);
#if MIX == 4 || MIX == 5
    let first = others < vec4<u32>(e);
#else
    let first = others > vec4<u32>(e);
#endif
    before += vec4<u32>((keys[block] == vec4<u32>(key)) & first);
  }
  return before.x + before.y + before.z + before.w;
}

// Between two barriers, by every invocation. SPLIT neighbours share the work for one expert: 1, or 4 of a subgroup.
fn rank_experts(lane: u32) {
  for (var round = 0u; round < (EXPERTS * SPLIT + WG - 1u) / WG; round++) {
    let at = round * WG + lane;
    let e = at / SPLIT;
    var rank = 0u;
    if (e < params.experts) {
      rank = count_before(e, keys[e / 4u][e % 4u], at % SPLIT);
    }
#if SPLIT == 4
    rank += subgroupShuffleXor(rank, 1u);
    rank += subgroupShuffleXor(rank, 2u);
#endif
    if (at % SPLIT == 0u && e < params.experts && rank < params.top) {
      chosen[rank] = e;
    }
  }
}

// After load_keys.
fn select_experts(lane: u32) {
  workgroupBarrier();
  rank_experts(lane);
  workgroupBarrier();
}

// exp(x - largest), also for x = -inf where the device knows no infinity.
fn relative(x: f32, largest: f32) -> f32 {
  return exp(max(x - largest, -100.0));
}

#if MIX == 4
// The sum of relative(x, largest) over the experts that are within the mixer's threshold of `largest`, twice the jitter
// of 0.01 in relative terms; for the second rank without the first's expert.
fn sum_of_near(start: u32, rank: u32, largest: f32) -> f32 {
  var sum = 0.0;
  for (var e = 0u; e < params.experts; e++) {
    let x = f32(router[start + e]);
    let far = largest - x > 0.02 * max(abs(x), largest);
    if (!far && !(rank == 1u && e == chosen[0])) {
      sum += relative(x, largest);
    }
  }
  return sum;
}
#endif

#if MIX == 5
// Softmax of the logarithms, which do not underflow where scores would.
fn raw_weight(token: u32, rank: u32) -> f32 {
  let start = token * params.experts;
  var largest = params.least_log;
  for (var i = 0u; i < params.top; i++) {
    let logit = f32(router[start + chosen[i]]);
    if (is_nan(logit)) {
      return 0.0;
    }
    largest = max(largest, log_score(logit));
  }
  var sum = 0.0;
  for (var i = 0u; i < params.top; i++) {
    sum += relative(log_score(f32(router[start + chosen[i]])), largest);
  }
  return relative(log_score(f32(router[start + chosen[rank]])), largest) / sum;
}

fn weight_scale(token: u32) -> f32 {
  if (params.score_epsilon == 0.0) {
    return params.scale;
  }
  var total = 0.0;
  for (var i = 0u; i < params.top; i++) {
    total += score(f32(router[token * params.experts + chosen[i]]));
  }
  return params.scale * total / (total + params.score_epsilon);
}
#else
fn raw_weight(token: u32, rank: u32) -> f32 {
  let start = token * params.experts;
#if MIX == 2 || MIX == 3
  let weight = f32(router_weights[start + chosen[rank]]);
#if MIX == 2
  return weight;
#else
  var sum = 0.0;
  for (var i = 0u; i < params.top; i++) {
    sum += f32(router_weights[start + chosen[i]]);
  }
  return select(weight / sum, 0.0, sum == 0.0);
#endif
#else
#if MIX == 4
  let largest = f32(router[start + chosen[rank]]);
#else
  let largest = f32(router[start + chosen[0]]);
#endif
  if ((bitcast<u32>(largest) & 0x7f800000u) == 0x7f800000u) {
    return 0.0;
  }
#if MIX == 4
  return 1.0 / sum_of_near(start, rank, largest);
#else
  var sum = 0.0;
#if MIX == 0
  for (var i = 0u; i < params.top; i++) {
    sum += relative(f32(router[start + chosen[i]]), largest);
  }
#else
  for (var e = 0u; e < params.experts; e++) {
    sum += relative(f32(router[start + e]), largest);
  }
#endif
  return relative(f32(router[start + chosen[rank]]), largest) / sum;
#endif
#endif
}

fn weight_scale(token: u32) -> f32 {
  return params.scale;
}
#endif

// Mixing weight of the expert of a rank. MIX 0: softmax over the k chosen, 1: softmax over all experts, 2: as given in
// router_weights, 3: as given, divided by their sum, 4: sparse mixer, 5: sigmoid router. Those that are not above the
// least weight, negative or NaN count as 0; the others are multiplied by the output's scale.
fn mixing_weight(token: u32, rank: u32) -> f32 {
  let weight = raw_weight(token, rank);
  let bits = bitcast<u32>(weight);
  return select(0.0, weight * weight_scale(token), bits > LEAST_WEIGHT_BITS && bits <= 0x7f800000u);
}
