// output = weights * values: 16 rows (as in attention_scores.wgsl) and 16 columns of one KV head in a workgroup, one
// output a thread. Weights and values pass through workgroup memory 16 keys at a time.
#include "kernels/common/flat_id.wgsl"

const TILE = 16u;

struct Params {
  first: u32,
  rows: u32,
  keys: u32,
  heads: u32,
  kv_heads: u32,
  size: u32,        // elements of a value
  capacity: u32,
  out_offset: u32,
  out_batch: u32,
  out_token: u32,
  out_head: u32,
  row_tiles: u32,
  workgroups: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(AT_WEIGHTS) var<storage, read> weights: array<f32>;
@group(0) @binding(AT_V) var<storage, read> values: array<T>;
@group(0) @binding(AT_OUT) var<storage, read_write> output: array<T>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

var<workgroup> w_tile: array<f32, TILE * (TILE + 1u)>;
var<workgroup> v_tile: array<f32, TILE * (TILE + 1u)>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let flat = flat_workgroup(id, n);
  if (flat >= params.workgroups) { return; }
  let column_tiles = (params.size + TILE - 1u) / TILE;
  let kv = flat / (column_tiles * params.row_tiles);
  let group = params.heads / params.kv_heads;
  let x = thread % TILE;
  let y = thread / TILE;
  let row = flat / column_tiles % params.row_tiles * TILE + y;
  let column = flat % column_tiles * TILE + x;
  let w_at = (kv * params.rows + min(row, params.rows - 1u)) * params.keys;
  let v_at = kv * params.capacity * params.size + min(column, params.size - 1u);
  var sum = 0.0;
  for (var first = 0u; first < params.keys; first += TILE) {
    let w_key = first + x;
    let v_key = min(first + y, params.keys - 1u);
    w_tile[y * (TILE + 1u) + x] = select(0.0, weights[w_at + min(w_key, params.keys - 1u)], w_key < params.keys);
    v_tile[y * (TILE + 1u) + x] = f32(values[v_at + v_key * params.size]);
    workgroupBarrier();
    for (var i = 0u; i < TILE; i++) {
      let weight = w_tile[y * (TILE + 1u) + i];
      // A key that is not seen may be undefined memory, and 0 * NaN is NaN. Bits, because weights may be NaN themselves.
      if (bitcast<u32>(weight) != 0u) { sum += weight * v_tile[i * (TILE + 1u) + x]; }
    }
    workgroupBarrier();
  }
  if (row >= params.rows || column >= params.size) { return; }
  let b = kv / params.kv_heads;
  let head = kv % params.kv_heads * group + row % group;
  output[params.out_offset + b * params.out_batch + (params.first + row / group) * params.out_token +
         head * params.out_head + column] = T(sum);
}
