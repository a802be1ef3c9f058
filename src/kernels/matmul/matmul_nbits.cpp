#include "kernels/matmul/matmul_nbits.h"

#include <algorithm>
#include <bit>

#include "kernels/matmul/matmul_nbits_row.h"
#include "kernels/matmul/matmul_nbits_tiles.h"
#include "kernels/matmul/nbits_plan.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "matmul_nbits";
constexpr uint32_t kGemvRows = 8;

struct alignas(16) GemvParams {
  uint32_t m, rows, k, row_pitch, blocks, zero_pitch, pad[2];
};
static_assert(sizeof(GemvParams) == 32);

void check_float(const Tensor& tensor, const char* what) {
  if (!is_float(tensor.storage)) fail(kTag, "{} must be f32 or f16, got {}", what, wgsl_type(tensor.storage));
}

void check_attributes(const MatMulNBitsProblem& p) {
  if (p.bits != 2 && p.bits != 4 && p.bits != 8) fail(kTag, "bits must be 2, 4 or 8, got {}", p.bits);
  if (p.block_size < 16 || p.block_size > 256 || !std::has_single_bit(p.block_size)) {
    fail(kTag, "block_size must be 16, 32, 64, 128 or 256, got {}", p.block_size);
  }
  if (p.n == 0 || p.k == 0) fail(kTag, "N and K must be positive, got N {} and K {}", p.n, p.k);
  if (p.accuracy_level > 4) fail(kTag, "accuracy_level must be 0 to 4, got {}", p.accuracy_level);
}

void check_weights(const MatMulNBitsProblem& p) {
  const uint64_t blocks = uint64_t{p.n} * ceil_div(p.k, p.block_size);
  const uint64_t bytes = blocks * p.block_size * p.bits / 8;
  if (p.b.storage != Storage::kBytes) fail(kTag, "B must be uint8, got {}", wgsl_type(p.b.storage));
  if (p.b.elements() != bytes) {
    fail(kTag, "B must hold {} bytes (N {}, K {}, {} bits, blocks of {}), got {}", bytes, p.n, p.k, p.bits,
         p.block_size, p.b.elements());
  }
  check_float(p.scales, "scales");
  if (p.scales.elements() != blocks) fail(kTag, "scales must hold {} elements, got {}", blocks, p.scales.elements());
  if (!p.zero_points) return;
  const bool packed = p.zero_points.storage == Storage::kBytes;
  if (!packed) check_float(p.zero_points, "zero_points");
  const uint64_t count = packed ? p.n * ceil_div64(blocks / p.n * p.bits, 8) : blocks;
  if (p.zero_points.elements() != count) {
    fail(kTag, "zero_points must hold {} elements, got {}", count, p.zero_points.elements());
  }
}

void check_activations(const MatMulNBitsProblem& p) {
  check_float(p.a, "A");
  check_float(p.y, "Y");
  if (p.a.last() != p.k) fail(kTag, "the last dimension of A must be K = {}, got {}", p.k, p.a.last());
  if (p.y.last() != p.n || p.y.rows() != p.a.rows()) {
    fail(kTag, "Y must have {} rows of N = {}, got {} of {}", p.a.rows(), p.n, p.y.rows(), p.y.last());
  }
  if (p.bias) {
    check_float(p.bias, "bias");
    if (p.bias.elements() != p.n) fail(kTag, "bias must hold N = {} elements, got {}", p.n, p.bias.elements());
  }
  if (p.norm_weight) {
    check_float(p.norm_weight, "the norm weight");
    if (p.norm_weight.elements() != p.k || p.a.rows() != 1) {
      fail(kTag, "the norm needs one row and a weight of K = {} elements, got {} rows and {}", p.k, p.a.rows(),
           p.norm_weight.elements());
    }
  }
  if (!p.residual) return;
  check_float(p.residual, "the residual");
  if (p.residual.elements() != p.y.elements()) {
    fail(kTag, "the residual must hold {} elements, got {}", p.y.elements(), p.residual.elements());
  }
  if (p.residual.slot == p.y.slot) fail(kTag, "the residual must not share the buffer of Y");
}

MatMulNBitsVariant choose(const MatMulNBitsProblem& p, uint64_t m) {
  const MatMulNBitsVariant variant = p.variant != MatMulNBitsVariant::kAuto ? p.variant
                                     : m <= kGemvRows                       ? MatMulNBitsVariant::kGemv
                                                                            : MatMulNBitsVariant::kGemm;
  if (variant == MatMulNBitsVariant::kGemv && m > kGemvRows)
    fail(kTag, "the gemv kernel takes up to {} rows, got {}", kGemvRows, m);
  return variant;
}

Dispatch common_dispatch(const MatMulNBitsProblem& p, const NBitsWeights& weights, const NBitsLayout& layout) {
  Dispatch d;
  const auto type = [](const Tensor& t) { return std::string(t ? wgsl_type(t.storage) : "f32"); };
  d.shader.defines = {{"X", type(p.a)},
                      {"Y", type(p.y)},
                      {"R", type(p.residual)},
                      {"HAS_BIAS", p.bias ? 1u : 0u},
                      {"HAS_RESIDUAL", p.residual ? 1u : 0u},
                      {"NORM", 0u},
                      {"X_ACCESS", activation_access(p.k, layout)}};
  append_nbits_defines(weights, d.shader.defines);
  d.operands = {in(p.a)};
  append_nbits_operands(weights, d.operands);
  d.operands.push_back(in(p.residual ? p.residual : p.b));
  d.operands.push_back(out(p.y));
  return d;
}

void plan_gemv(const MatMulNBitsProblem& p, const NBitsLayout& layout, Dispatch d, Recorder& recorder) {
  const auto m = static_cast<uint32_t>(p.y.rows());
  TeamShape team = team_shape(layout.units, recorder.caps());
  team.columns = 4;  // the more, the less often activations are read
  d.name = "matmul_nbits/gemv";
  d.shader.file = "kernels/matmul/matmul_nbits_gemv.wgsl";
  d.shader.defines.emplace_back("ROWS", std::bit_ceil(m));
  append_team_defines(team, d.shader.defines);
  d.set_uniforms(GemvParams{m, p.n, p.k, layout.row_pitch, layout.blocks, layout.zero_pitch, {}});
  d.groups = fold_groups(ceil_div(p.n, team.columns * team.teams()), recorder.caps());
  recorder.add(std::move(d));
}

void check(const MatMulNBitsProblem& p) {
  check_attributes(p);
  check_weights(p);
  check_activations(p);
}

bool same_kind(const Tensor& a, const Tensor& b) { return !a == !b && (!a || a.storage == b.storage); }

void check_joined(const JoinedMatMulNBitsProblem& p) {
  if (p.products.empty() || p.products.size() > 4) fail(kTag, "1 to 4 products are joined, got {}", p.products.size());
  const MatMulNBitsProblem& first = p.products[0];
  for (const MatMulNBitsProblem& q : p.products) {
    check(q);
    if (q.a.slot != first.a.slot || q.a.rows() != 1) fail(kTag, "joined products must share one row");
    const bool alike = q.k == first.k && q.bits == first.bits && q.block_size == first.block_size &&
                       q.accuracy_level == first.accuracy_level && q.norm_weight.slot == first.norm_weight.slot &&
                       same_kind(q.scales, first.scales) && same_kind(q.zero_points, first.zero_points) &&
                       same_kind(q.bias, first.bias) && same_kind(q.y, first.y);
    if (!alike) fail(kTag, "joined products must have one K and one kind of weights and results");
    if (q.residual && p.products.size() > 1) fail(kTag, "joined products take no residual");
  }
  if (p.gated && (p.products.size() != 2 || p.products[1].n != first.n))
    fail(kTag, "a gate needs two products of one N, got {} products", p.products.size());
}

}  // namespace

void plan_matmul_nbits(const MatMulNBitsProblem& p, Recorder& recorder) {
  check(p);
  const uint64_t m = p.y.rows();
  if (m == 0) return;
  const bool gemv = choose(p, m) == MatMulNBitsVariant::kGemv;
  if (gemv && row_kernel_takes(p, recorder.caps())) return plan_matmul_nbits_row({.products = {p}}, recorder);
  if (p.norm_weight) fail(kTag, "the gemm kernel takes no norm");
  const NBitsWeights weights{p.b, p.scales, p.zero_points, p.bias, p.n, p.k, p.bits, p.block_size};
  const NBitsLayout layout = nbits_layout(weights);
  Dispatch dispatch = common_dispatch(p, weights, layout);
  if (gemv) {
    plan_gemv(p, layout, std::move(dispatch), recorder);
  } else {
    plan_matmul_nbits_tiles(p, layout, std::move(dispatch), recorder);
  }
}

void plan_joined_matmul_nbits(const JoinedMatMulNBitsProblem& problem, Recorder& recorder) {
  check_joined(problem);
  plan_matmul_nbits_row(problem, recorder);
}

}  // namespace sluice::kernels
