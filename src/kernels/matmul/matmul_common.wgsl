// What both kernels of y = alpha * op(a) * op(b) + beta * c share: bindings, batch offsets, the epilogue.
struct Params {
  m: u32,
  n: u32,
  k: u32,
  batches: u32,
  a_row: u32,  // strides of a by row and by k, of b by k and by column, of c by row and by column
  a_k: u32,
  b_k: u32,
  b_column: u32,
  c_row: u32,
  c_column: u32,
  alpha: f32,
  beta: f32,
  epsilon: f32,  // of the norm before the product
  dims: vec4<u32>,  // of the batch, last fastest
  a_batch: vec4<u32>,
  b_batch: vec4<u32>,
  c_batch: vec4<u32>,
}
@group(0) @binding(0) var<storage, read> a: array<A>;
@group(0) @binding(1) var<storage, read> b: array<B>;
@group(0) @binding(2) var<storage, read> c: array<C>;
@group(0) @binding(3) var<storage, read_write> y: array<Y>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

var<private> a_start: u32;
var<private> b_start: u32;
var<private> c_start: u32;
var<private> y_start: u32;

fn set_batch(batch: u32) {
  var rest = batch;
  var at = vec4<u32>();
  at.w = rest % params.dims.w;
  rest /= params.dims.w;
  at.z = rest % params.dims.z;
  rest /= params.dims.z;
  at.y = rest % params.dims.y;
  at.x = rest / params.dims.y;
  a_start = dot(at, params.a_batch);
  b_start = dot(at, params.b_batch);
  c_start = dot(at, params.c_batch);
  y_start = batch * params.m * params.n;
}

fn store(row: u32, column: u32, sum: f32) {
  if (row >= params.m || column >= params.n) {
    return;
  }
  var v = params.alpha * sum;
#if HAS_C
  v += params.beta * f32(c[c_start + row * params.c_row + column * params.c_column]);
#endif
  y[y_start + row * params.n + column] = Y(v);
}
