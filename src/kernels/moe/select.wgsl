// The k experts of a token with the largest logits, in order. Every expert counts those before it, in parallel. Included
// where `router: array<Q>`, params.experts, params.top, WG and EXPERTS exist.
// Equal logits (-0 equals 0) go to the higher expert: ONNX Runtime's CPU kernels sort pairs of logit and expert in
// descending order. (Its WebGPU gate keeps the lower one.) The sparse mixer (MIX 4) exists in its CUDA kernel only, and
// there ties go to the lower expert.
// A NaN comes before every number, so that a token with a NaN gets weights of zero, as one whose largest logit is
// infinite does.
#include "kernels/common/float_bits.wgsl"

var<workgroup> keys: array<vec4<u32>, EXPERTS / 4u>;
var<workgroup> chosen: array<u32, EXPERTS>;  // expert by rank; valid below params.top

fn logit_key(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return order_key(bitcast<f32>(select(bits, 0u, bits == 0x80000000u)));
}

// Leaves the keys of a token's experts in workgroup memory: before other work, for its latency.
fn load_keys(token: u32, lane: u32) {
  let start = token * params.experts;
  for (var e = lane; e < EXPERTS; e += WG) {
    keys[e / 4u][e % 4u] = select(0u, logit_key(f32(router[start + min(e, params.experts - 1u)])), e < params.experts);
  }
}

// After load_keys.
fn select_experts(lane: u32) {
  workgroupBarrier();
  for (var e = lane; e < params.experts; e += WG) {
    let key = keys[e / 4u][e % 4u];
    var before = vec4<u32>();
    for (var i = 0u; i < EXPERTS / 4u; i++) {
      let others = vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u);
#if MIX == 4
      let first = others < vec4<u32>(e);
#else
      let first = others > vec4<u32>(e);
#endif
      before += select(vec4<u32>(), vec4<u32>(1u), (keys[i] > vec4<u32>(key)) | ((keys[i] == vec4<u32>(key)) & first));
    }
    let rank = before.x + before.y + before.z + before.w;
    if (rank < params.top) {
      chosen[rank] = e;
    }
  }
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

// Mixing weight of the expert of a rank. MIX 0: softmax over the k chosen, 1: softmax over all experts, 2: as given in
// router_weights, 3: as given, divided by their sum, 4: sparse mixer. Those that are not above the least weight, negative
// or NaN count as 0.
fn mixing_weight(token: u32, rank: u32) -> f32 {
  let weight = raw_weight(token, rank);
  let bits = bitcast<u32>(weight);
  return select(0.0, weight, bits > LEAST_WEIGHT_BITS && bits <= 0x7f800000u);
}
