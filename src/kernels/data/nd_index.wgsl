// Where the slice that tuple n of indices names begins in data, in units of T; NOWHERE if a number is out of range.
struct Params {
  count: u32,
  inner: u32,
  tuple: u32,
  batch_tuples: u32,
  batch: u32,
  missing: u32,
  pad0: u32,
  pad1: u32,
  dims: array<vec4<u32>, 2>,
  strides: array<vec4<u32>, 2>,
}
@group(0) @binding(0) var<storage, read> indices: array<i32>;
@group(0) @binding(3) var<uniform> params: Params;

const NOWHERE = 0xffffffffu;

fn slice_start(n: u32) -> u32 {
  var start = n / params.batch_tuples * params.batch;
  var inside = true;
  for (var k = 0u; k < params.tuple; k++) {
    let size = params.dims[k / 4u][k % 4u];
    let index = indices[n * params.tuple + k];
    let along = u32(index) + select(0u, size, index < 0);
    inside = inside && along < size;
    start += along * params.strides[k / 4u][k % 4u];
  }
  return select(NOWHERE, start, inside);
}
