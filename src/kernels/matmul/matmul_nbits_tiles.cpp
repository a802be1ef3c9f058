#include "kernels/matmul/matmul_nbits_tiles.h"

#include "kernels/matmul/tile_plan.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "matmul_nbits";
constexpr uint32_t kDotBlock = 32;  // values of K that share a scale of the activations
constexpr uint32_t kQuantiseGroup = 64;

struct alignas(16) GemmParams {
  uint32_t m, rows, k, row_pitch, blocks, zero_pitch, column_tiles, row_tiles;
};
struct alignas(16) QuantiseParams {
  uint32_t blocks, pad[3];
};
static_assert(sizeof(GemmParams) == 32 && sizeof(QuantiseParams) == 16);

bool can_use_matrices(const MatMulNBitsProblem& p, const gpu::Caps& caps) {
  return p.a.storage == Storage::kF16 && has_subgroup_matrices(caps);  // operands of the model's own type
}

// Weights less their zero points must be 8-bit integers, and a block of the activations lie within one of theirs.
bool can_use_dots(const MatMulNBitsProblem& p, const gpu::Caps& caps) {
  const bool small = p.bits < 8 ? !p.zero_points || p.zero_points.storage == Storage::kBytes : !p.zero_points;
  return caps.dot4i8 && small && p.block_size % kDotBlock == 0 && p.k % kDotBlock == 0;
}

TileCore core_of(const MatMulNBitsProblem& p, const gpu::Caps& caps) {
  constexpr uint32_t kInt8Activations = 4;  // the accuracy_level that allows them
  constexpr uint64_t kFewRows = 64;         // too few to keep matrices busy
  const bool matrices = can_use_matrices(p, caps), dots = can_use_dots(p, caps);
  switch (p.variant) {
    case MatMulNBitsVariant::kMatrices:
      if (!matrices) fail(kTag, "subgroup matrices need float16 activations and a device that has them");
      return TileCore::kMatrices;
    case MatMulNBitsVariant::kDots:
      if (!dots) {
        fail(kTag,
             "packed dot products need a device that has them, block_size and K in multiples of {}, and packed "
             "zero points of at most 4 bits",
             kDotBlock);
      }
      return TileCore::kDots;
    case MatMulNBitsVariant::kAuto:
      if (dots && p.accuracy_level == kInt8Activations && (!matrices || p.y.rows() <= kFewRows)) return TileCore::kDots;
      return matrices ? TileCore::kMatrices : TileCore::kMultiplyAdds;
    default:
      return TileCore::kMultiplyAdds;
  }
}

TileShape choose_tile(const MatMulNBitsProblem& p, uint32_t m, const gpu::Caps& caps) {
  const TileDemand demand{core_of(p, caps), m, p.n};
  if (p.tile == 0) return tile_shape(demand, caps);
  const std::vector<TileShape> shapes = tile_shapes(demand.core, caps);
  if (p.tile > shapes.size()) fail(kTag, "there are {} shapes of tiles, got number {}", shapes.size(), p.tile);
  return shapes[p.tile - 1];
}

// The activations as 8-bit integers, then their scales.
std::pair<Tensor, Tensor> plan_quantise(const MatMulNBitsProblem& p, Recorder& recorder) {
  const uint64_t blocks = p.a.elements() / kDotBlock;
  const auto rows = static_cast<uint32_t>(p.a.rows());
  const Tensor q = recorder.scratch(Storage::kBytes, {rows, p.k});
  const Tensor scales = recorder.scratch(Storage::kF32, {rows, p.k / kDotBlock});
  Dispatch d;
  d.name = "matmul_nbits/quantise";
  d.shader.file = "kernels/matmul/quantise_rows.wgsl";
  d.shader.defines = {{"WG", kQuantiseGroup}, {"X", wgsl_type(p.a.storage)}, {"BITS", p.bits}};
  d.operands = {in(p.a), out(q), out(scales)};
  d.set_uniforms(QuantiseParams{static_cast<uint32_t>(blocks), {}});
  d.groups = fold_groups(ceil_div64(2 * blocks, kQuantiseGroup), recorder.caps());
  recorder.add(std::move(d));
  return {q, scales};
}

const char* name_of(TileCore core) {
  switch (core) {
    case TileCore::kMatrices:
      return "matmul_nbits/gemm_matrices";
    case TileCore::kDots:
      return "matmul_nbits/gemm_dots";
    default:
      return "matmul_nbits/gemm";
  }
}

}  // namespace

void plan_matmul_nbits_tiles(const MatMulNBitsProblem& p, const NBitsLayout& layout, Dispatch d, Recorder& recorder) {
  const auto m = static_cast<uint32_t>(p.y.rows());
  const TileShape tile = choose_tile(p, m, recorder.caps());
  const uint32_t row_tiles = ceil_div(m, tile.rows), column_tiles = ceil_div(p.n, tile.columns);
  d.name = name_of(tile.core);
  d.shader.file = "kernels/matmul/matmul_nbits_gemm.wgsl";
  append_tile_defines(tile, p.k, d.shader.defines);
  if (tile.core == TileCore::kDots) {
    const auto [q, scales] = plan_quantise(p, recorder);
    d.operands.front() = in(q);
    d.operands.push_back(in(scales));
  }
  d.set_uniforms(GemmParams{m, p.n, p.k, layout.row_pitch, layout.blocks, layout.zero_pitch, column_tiles, row_tiles});
  d.groups = fold_groups(uint64_t{row_tiles} * column_tiles, recorder.caps());
  recorder.add(std::move(d));
}

}  // namespace sluice::kernels
