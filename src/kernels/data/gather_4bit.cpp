#include "kernels/data/gather_4bit.h"

#include <bit>
#include <functional>
#include <numeric>
#include <span>

#include "kernels/common/strides.h"
#include "kernels/data/common.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "gather_block_quantized";

struct alignas(16) Params {
  uint32_t count;   // elements of y
  uint32_t picked;  // indices
  uint32_t axis;    // size of the gather axis
  uint32_t inner;   // values that an index brings: product of the dimensions after it
  uint32_t quantized;
  uint32_t quantized_inner;  // the same two of the quantize axis
  uint32_t blocks;
  uint32_t block_shift;
};
static_assert(sizeof(Params) == 32);

uint64_t product(std::span<const uint32_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), uint64_t{1}, std::multiplies<>());
}

void check_shape(const Tensor& tensor, const std::vector<uint32_t>& shape, const char* what) {
  if (tensor.shape != shape)
    fail(kTag, "{} must have shape {}, got {}", what, shape_text(shape), shape_text(tensor.shape));
}

void check_packed(const Tensor& tensor, uint64_t values, const char* what) {
  if (tensor.storage != Storage::kBytes) fail(kTag, "{} must be packed bytes", what);
  if (tensor.elements() != ceil_div64(values, 2))
    fail(kTag, "{} must hold {} bytes for {} values, got {}", what, ceil_div64(values, 2), values, tensor.elements());
}

void check(const Gather4BitProblem& p) {
  const size_t rank = p.shape.size();
  if (rank < 2) fail(kTag, "data must have at least 2 dimensions, got {}", rank);
  if (p.gather_axis >= rank || p.quantize_axis >= rank)
    fail(kTag, "axes {} and {} must be below data's {} dimensions", p.gather_axis, p.quantize_axis, rank);
  if (p.block_size < 16 || !std::has_single_bit(p.block_size))
    fail(kTag, "block_size must be a power of two from 16, got {}", p.block_size);
  check_indices(p.indices, kTag);
  for (const Tensor& t : {p.scales, p.y}) {
    if (t.storage != Storage::kF32 && t.storage != Storage::kF16) fail(kTag, "scales and output must be float");
  }
  const uint64_t values = product(p.shape);
  if (values > 0xffffffffu) fail(kTag, "data of {} values is beyond 2^32 - 1", values);
  check_packed(p.data, values, "data");
  std::vector<uint32_t> scales = p.shape;
  scales[p.quantize_axis] = ceil_div(scales[p.quantize_axis], p.block_size);
  check_shape(p.scales, scales, "scales");
  if (p.zero_points) check_packed(p.zero_points, product(scales), "zero_points");
  std::vector<uint32_t> y(p.shape.begin(), p.shape.begin() + p.gather_axis);
  y.insert(y.end(), p.indices.shape.begin(), p.indices.shape.end());
  y.insert(y.end(), p.shape.begin() + p.gather_axis + 1, p.shape.end());
  check_shape(p.y, y, "the output");
  check_size(p.y, kTag);
}

}  // namespace

void plan_gather_4bit(const Gather4BitProblem& p, Recorder& recorder) {
  check(p);
  if (p.y.elements() == 0) return;
  if (p.data.elements() == 0) fail(kTag, "a table without rows has nothing to gather");
  const auto after = [&](uint32_t axis) {
    return static_cast<uint32_t>(product(std::span(p.shape).subspan(size_t{axis} + 1)));
  };
  Params params{};
  params.count = static_cast<uint32_t>(p.y.elements());
  params.picked = static_cast<uint32_t>(p.indices.elements());
  params.axis = p.shape[p.gather_axis];
  params.inner = after(p.gather_axis);
  params.quantized = p.shape[p.quantize_axis];
  params.quantized_inner = after(p.quantize_axis);
  params.blocks = ceil_div(params.quantized, p.block_size);
  params.block_shift = static_cast<uint32_t>(std::countr_zero(p.block_size));
  Dispatch dispatch;
  dispatch.name = "gather_block_quantized/4bit";
  dispatch.shader = {"kernels/data/gather_4bit.wgsl",
                     {{"S", wgsl_type(p.scales.storage)},
                      {"Y", wgsl_type(p.y.storage)},
                      {"SIGNED", p.is_signed ? 1u : 0u},
                      {"ZERO_POINTS", p.zero_points ? 1u : 0u}}};
  dispatch.operands = {in(p.data), in(p.indices), in(p.scales), in(p.zero_points ? p.zero_points : p.data), out(p.y)};
  dispatch.set_uniforms(params);
  add_threads(std::move(dispatch), params.count, recorder);
}

}  // namespace sluice::kernels
