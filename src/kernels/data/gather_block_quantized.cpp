#include "kernels/data/gather_block_quantized.h"

#include <bit>

#include "kernels/common/strides.h"
#include "kernels/data/common.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "gather_block_quantized";

struct alignas(16) Params {
  uint32_t words;      // threads: 32-bit words of packed values, for all output rows
  uint32_t row_words;  // of one output row, rounded up
  uint32_t columns;    // values of a row
  uint32_t row_bytes;
  uint32_t data_words;  // of all data
  uint32_t axis;        // slices of the whole table
  uint32_t rows;        // rows of a slice
  uint32_t blocks;      // of a row
  uint32_t zero_row_bytes;
  uint32_t block_shift;
  uint32_t first, slices;  // that data holds
};
static_assert(sizeof(Params) == 48);

std::vector<uint32_t> with_last(const Tensor& data, uint64_t last) {
  auto shape = data.shape;
  shape.back() = static_cast<uint32_t>(last);
  return shape;
}

void check(const GatherBlockQuantizedProblem& problem) {
  const uint32_t bits = problem.bits, block = problem.block_size;
  if (bits != 2 && bits != 4 && bits != 8) fail(kTag, "bits must be 2, 4 or 8, got {}", bits);
  if (block < 16 || !std::has_single_bit(block)) fail(kTag, "block_size must be a power of two from 16, got {}", block);
  const Tensor& data = problem.data;
  if (data.storage != Storage::kBytes) fail(kTag, "data must be packed bytes (uint8)");
  if (data.rank() < 2) fail(kTag, "data must have at least 2 dimensions, got {}", data.rank());
  check_indices(problem.indices, kTag);
  for (const Tensor& t : {problem.scales, problem.y}) {
    if (t.storage != Storage::kF32 && t.storage != Storage::kF16) fail(kTag, "scales and output must be float");
  }
  const uint64_t columns = uint64_t{data.last()} * 8 / bits;
  const uint64_t blocks = ceil_div64(columns, block);
  const auto check_shape = [](const Tensor& tensor, const std::vector<uint32_t>& shape, const char* what) {
    if (tensor.shape != shape) {
      fail(kTag, "{} must have shape {}, got {}", what, shape_text(shape), shape_text(tensor.shape));
    }
  };
  check_shape(problem.scales, with_last(data, blocks), "scales");
  if (problem.zero_points) {
    if (problem.zero_points.storage != Storage::kBytes) fail(kTag, "zero_points must be packed bytes (uint8)");
    check_shape(problem.zero_points, with_last(data, ceil_div64(blocks * bits, 8)), "zero_points");
  }
  auto shape = problem.indices.shape;
  shape.insert(shape.end(), data.shape.begin() + 1, data.shape.end() - 1);
  shape.push_back(static_cast<uint32_t>(columns));
  check_shape(problem.y, shape, "the output");
  check_size(problem.y, kTag);
  if (data.elements() > 0xffffffffu) fail(kTag, "data of {} bytes is beyond 2^32 - 1", data.elements());
}

}  // namespace

void plan_gather_block_quantized(const GatherBlockQuantizedProblem& problem, Recorder& recorder) {
  check(problem);
  if (problem.y.elements() == 0) return;
  const Tensor& data = problem.data;
  if (data.elements() == 0) fail(kTag, "a table without rows has nothing to gather");
  const Tensor& y = problem.y;
  Params params{};
  params.columns = y.last();
  params.row_bytes = data.last();
  params.row_words = ceil_div(params.row_bytes, 4);
  params.words = static_cast<uint32_t>(y.rows() * params.row_words);
  params.data_words = static_cast<uint32_t>(ceil_div64(data.elements(), 4));
  params.slices = data.shape[0];
  params.axis = problem.whole == 0 ? params.slices : problem.whole;
  params.first = problem.first;
  if (params.first > params.axis || params.slices > params.axis - params.first)
    fail(kTag, "slices {} to {} are beyond the whole of {}", params.first, params.first + params.slices, params.axis);
  params.rows = static_cast<uint32_t>(data.rows() / data.shape[0]);
  params.blocks = problem.scales.last();
  params.zero_row_bytes = ceil_div(params.blocks * problem.bits, 8);
  params.block_shift = static_cast<uint32_t>(std::countr_zero(problem.block_size));
  Dispatch dispatch;
  dispatch.name = kTag;
  dispatch.shader = {"kernels/data/gather_block_quantized.wgsl",
                     {{"S", wgsl_type(problem.scales.storage)},
                      {"Y", wgsl_type(y.storage)},
                      {"BITS", problem.bits},
                      {"ZERO_POINTS", problem.zero_points ? 1u : 0u}}};
  const uint64_t scales = storage_bytes(problem.scales.storage, params.blocks);
  dispatch.operands = {touching(y.rows() * params.row_bytes, in(data)), in(problem.indices),
                       touching(y.rows() * scales, in(problem.scales)),
                       touching(problem.zero_points ? y.rows() * params.zero_row_bytes : 0,
                                in(problem.zero_points ? problem.zero_points : data)),
                       out(y)};
  dispatch.set_uniforms(params);
  add_threads(std::move(dispatch), params.words, recorder);
}

}  // namespace sluice::kernels
