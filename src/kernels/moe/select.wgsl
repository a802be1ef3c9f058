// The k experts of a token with the largest logits, in order; equal logits (-0 equals 0) go to the lower expert. Every
// expert counts those before it, in parallel. Included where `router: array<Q>`, params.experts, params.top, WG and
// EXPERTS exist.
#include "kernels/common/float_bits.wgsl"

var<workgroup> keys: array<u32, EXPERTS>;
var<workgroup> chosen: array<u32, EXPERTS>;  // expert by rank; valid below params.top

fn logit_key(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return order_key(bitcast<f32>(select(bits, 0u, bits == 0x80000000u)));
}

fn select_experts(token: u32, lane: u32) {
  let start = token * params.experts;
  for (var e = lane; e < params.experts; e += WG) {
    keys[e] = logit_key(f32(router[start + e]));
  }
  workgroupBarrier();
  for (var e = lane; e < params.experts; e += WG) {
    let key = keys[e];
    var rank = 0u;
    for (var other = 0u; other < params.experts; other++) {
      rank += select(0u, 1u, keys[other] > key || (keys[other] == key && other < e));
    }
    if (rank < params.top) {
      chosen[rank] = e;
    }
  }
  workgroupBarrier();
}

// Mixing weight of the expert of a rank: MIX 0 softmax over the k chosen, 1 softmax over all experts, 2 as given in
// router_weights, 3 as given, divided by their sum.
fn mixing_weight(token: u32, rank: u32) -> f32 {
  let start = token * params.experts;
#if MIX == 0 || MIX == 1
  let largest = f32(router[start + chosen[0]]);
  var sum = 0.0;
#if MIX == 0
  for (var i = 0u; i < params.top; i++) {
    sum += exp(f32(router[start + chosen[i]]) - largest);
  }
#else
  for (var e = 0u; e < params.experts; e++) {
    sum += exp(f32(router[start + e]) - largest);
  }
#endif
  return exp(f32(router[start + chosen[rank]]) - largest) / sum;
#else
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
#endif
}
