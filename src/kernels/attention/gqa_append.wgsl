// q -> rope(norm(q)) -> rotated; k -> rope(norm(k)) -> row past + s of the key cache; v -> that row of the value cache.
// The heads of a token are numbered q, then k, then v, as far as the dispatch handles them.
#include "kernels/common/flat_id.wgsl"
#include "kernels/attention/gqa_params.wgsl"
#include "kernels/attention/gqa_turn.wgsl"

#if TURN_Q
@group(0) @binding(AT_ROTATED) var<storage, read_write> rotated: array<T>;
#endif
#if TURN_K
@group(0) @binding(AT_KCACHE) var<storage, read_write> key_cache: array<T>;
#endif
#if TURN_V
@group(0) @binding(AT_VCACHE) var<storage, read_write> value_cache: array<T>;
#endif

fn unit_of(index: u32) -> Unit {
  let q_heads = TURN_Q * params.heads;
  let k_heads = TURN_K * params.kv_heads;
  let heads = q_heads + k_heads + TURN_V * params.kv_heads;
  let token = index / heads;
  var head = index % heads;
  var kind = kQuery;
  if (head >= q_heads) {
    head -= q_heads;
    kind = kKey;
    if (head >= k_heads) {
      head -= k_heads;
      kind = kValue;
    }
  }
  return Unit(kind, token, head, u32(past_length(token / params.seq)));
}

fn store(unit: Unit, d: u32, value: f32) {
#if TURN_Q
  if (unit.kind == kQuery) {
    rotated[(unit.token * params.heads + unit.head) * D + d] = T(value);
    return;
  }
#endif
  let row = unit.past + unit.token % params.seq;
  // A row past the end would fall into the next head.
  if (row >= params.capacity) { return; }
  let at = ((unit.token / params.seq * params.kv_heads + unit.head) * params.capacity + row) * D + d;
#if TURN_K
  if (unit.kind == kKey) {
    key_cache[at] = T(value);
    return;
  }
#endif
#if TURN_V
  value_cache[at] = T(value);
#endif
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * (WG / HEAD_LANES) + thread / HEAD_LANES;
  turn(unit_of(min(index, params.units - 1u)), index < params.units, thread);
}
