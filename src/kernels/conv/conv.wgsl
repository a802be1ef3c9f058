// y[b,m,i,j] = bias[m] + sum_c,k,l w[m,c,k,l] x[b,c,i*stride+k*dilation-pad,...]; one thread an output.
#include "kernels/common/flat_id.wgsl"

struct Params {
  outputs: u32,
  channels: u32,
  filters: u32,
  group_channels: u32,
  group_filters: u32,
  in_h: u32,
  in_w: u32,
  out_h: u32,
  out_w: u32,
  kernel_h: u32,
  kernel_w: u32,
  stride_h: u32,
  stride_w: u32,
  dilation_h: u32,
  dilation_w: u32,
  pad_h: u32,
  pad_w: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(AT_X) var<storage, read> x: array<T>;
@group(0) @binding(AT_W) var<storage, read> w: array<T>;
#if HAS_BIAS
@group(0) @binding(AT_BIAS) var<storage, read> bias: array<T>;
#endif
@group(0) @binding(AT_Y) var<storage, read_write> y: array<T>;
@group(0) @binding(AT_PARAMS) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) thread: u32) {
  let index = flat_workgroup(id, n) * 256u + thread;
  if (index >= params.outputs) { return; }
  let column = index % params.out_w;
  let row = index / params.out_w % params.out_h;
  let filter_index = index / params.out_w / params.out_h % params.filters;
  let b = index / params.out_w / params.out_h / params.filters;
  let first_channel = b * params.channels + filter_index / params.group_filters * params.group_channels;
  var sum = 0.0;
#if HAS_BIAS
  sum = f32(bias[filter_index]);
#endif
  for (var c = 0u; c < params.group_channels; c++) {
    let plane = (first_channel + c) * params.in_h;
    let kernel = (filter_index * params.group_channels + c) * params.kernel_h;
    for (var k = 0u; k < params.kernel_h; k++) {
      let i = row * params.stride_h + k * params.dilation_h;
      if (i < params.pad_h || i - params.pad_h >= params.in_h) { continue; }
      let line = (plane + i - params.pad_h) * params.in_w;
      for (var l = 0u; l < params.kernel_w; l++) {
        let j = column * params.stride_w + l * params.dilation_w;
        if (j < params.pad_w || j - params.pad_w >= params.in_w) { continue; }
        sum += f32(w[(kernel + k) * params.kernel_w + l]) * f32(x[line + j - params.pad_w]);
      }
    }
  }
  y[index] = T(sum);
}
