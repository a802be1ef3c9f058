#include "kernels/matmul/matmul.h"

#include <algorithm>
#include <bit>

#include "kernels/matmul/tile_plan.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "matmul";
constexpr uint32_t kGemvRows = 8;
constexpr size_t kBatchDims = 4;

struct alignas(16) Params {
  uint32_t m, n, k, batches;
  uint32_t a_row, a_k, b_k, b_column;
  uint32_t c_row, c_column;
  float alpha, beta, epsilon;
  uint32_t pad[3];
  std::array<uint32_t, kBatchDims> dims = {1, 1, 1, 1}, a_batch{}, b_batch{}, c_batch{};
};
static_assert(sizeof(Params) == 128);

// One dimension of the batch, with the strides of each operand (0: broadcast).
struct BatchDim {
  uint32_t size, a, b, c;
};

// Element strides of `shape`, aligned to `target` from the right, 0 where it broadcasts. Throws if it does not.
std::vector<uint32_t> broadcast_strides(const std::vector<uint32_t>& shape, const std::vector<uint32_t>& target,
                                        const char* what) {
  if (shape.size() > target.size()) {
    fail(kTag, "{} has {} dimensions, more than the {} of its target", what, shape.size(), target.size());
  }
  std::vector<uint32_t> strides(target.size(), 0);
  uint32_t stride = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const uint32_t size = shape[shape.size() - 1 - i], wanted = target[target.size() - 1 - i];
    if (size != wanted && size != 1)
      fail(kTag, "{} does not broadcast: a dimension of {} against {}", what, size, wanted);
    if (size != 1) strides[target.size() - 1 - i] = stride;
    stride *= size;
  }
  return strides;
}

std::vector<uint32_t> batch_shape(const Tensor& t) { return {t.shape.begin(), t.shape.end() - 2}; }

void check(const MatMulProblem& p) {
  for (const auto& [tensor, what] : {std::pair{&p.a, "A"}, {&p.b, "B"}, {&p.c, "C"}, {&p.y, "Y"}}) {
    if (*tensor && !is_float(tensor->storage))
      fail(kTag, "{} must be f32 or f16, got {}", what, wgsl_type(tensor->storage));
  }
  for (const auto& [tensor, what] : {std::pair{&p.a, "A"}, {&p.b, "B"}, {&p.y, "Y"}}) {
    if (tensor->rank() < 2) fail(kTag, "{} must have at least 2 dimensions, got {}", what, tensor->rank());
  }
  if (p.norm_weight && !is_float(p.norm_weight.storage))
    fail(kTag, "the norm weight must be f32 or f16, got {}", wgsl_type(p.norm_weight.storage));
  if (p.c && p.c.slot == p.y.slot) fail(kTag, "C must not share the buffer of Y");
}

// Sizes and strides within one matrix product.
Params matrix_params(const MatMulProblem& p) {
  const auto at = [](const Tensor& t, size_t from_end) { return t.shape[t.shape.size() - from_end]; };
  Params q{};
  q.dims = {1, 1, 1, 1};
  q.m = at(p.a, p.trans_a ? 1 : 2);
  q.k = at(p.a, p.trans_a ? 2 : 1);
  q.n = at(p.b, p.trans_b ? 2 : 1);
  const uint32_t k = at(p.b, p.trans_b ? 1 : 2);
  if (k != q.k) fail(kTag, "the inner dimensions of A and B differ: {} and {}", q.k, k);
  if (at(p.y, 2) != q.m || at(p.y, 1) != q.n) {
    fail(kTag, "Y must end in {} x {}, got {} x {}", q.m, q.n, at(p.y, 2), at(p.y, 1));
  }
  q.a_row = p.trans_a ? 1 : q.k;
  q.a_k = p.trans_a ? q.m : 1;
  q.b_k = p.trans_b ? 1 : q.n;
  q.b_column = p.trans_b ? q.k : 1;
  q.alpha = p.alpha;
  q.beta = p.beta;
  q.epsilon = p.norm_epsilon;
  return q;
}

// The batch dimensions, neighbours joined where every operand allows it; sets the strides of C within a matrix.
std::vector<BatchDim> batch_dims(const MatMulProblem& p, Params& q) {
  const std::vector<uint32_t> target = batch_shape(p.y);
  const std::vector<uint32_t> a = broadcast_strides(batch_shape(p.a), target, "the batch of A");
  const std::vector<uint32_t> b = broadcast_strides(batch_shape(p.b), target, "the batch of B");
  const std::vector<uint32_t> c =
      p.c ? broadcast_strides(p.c.shape, p.y.shape, "C") : std::vector<uint32_t>(p.y.rank(), 0);
  q.c_row = c[c.size() - 2];
  q.c_column = c[c.size() - 1];
  std::vector<BatchDim> dims;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == 1) continue;
    const BatchDim dim{target[i], a[i] * q.m * q.k, b[i] * q.k * q.n, c[i]};
    if (!dims.empty()) {
      BatchDim& outer = dims.back();
      if (outer.a == dim.a * dim.size && outer.b == dim.b * dim.size && outer.c == dim.c * dim.size) {
        outer = {outer.size * dim.size, dim.a, dim.b, dim.c};
        continue;
      }
    }
    dims.push_back(dim);
  }
  if (dims.size() > kBatchDims)
    fail(kTag, "the batch broadcasts in {} separate dimensions, the limit is {}", dims.size(), kBatchDims);
  return dims;
}

// A batch that walks on through rows of A (and of C) under one B is a taller matrix.
void fold_batch_into_rows(std::vector<BatchDim>& dims, Params& q) {
  while (!dims.empty()) {
    const BatchDim& dim = dims.back();
    const bool rows_go_on = dim.a == q.m * q.a_row && (q.m == 1 ? true : dim.c == q.m * q.c_row);
    if (q.a_k != 1 || dim.b != 0 || !rows_go_on) return;
    if (q.m == 1) q.c_row = dim.c;
    q.m *= dim.size;
    dims.pop_back();
  }
}

Params make_params(const MatMulProblem& p) {
  Params q = matrix_params(p);
  std::vector<BatchDim> dims = batch_dims(p, q);
  fold_batch_into_rows(dims, q);
  q.batches = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    const size_t at = kBatchDims - dims.size() + i;
    q.dims[at] = dims[i].size;
    q.a_batch[at] = dims[i].a;
    q.b_batch[at] = dims[i].b;
    q.c_batch[at] = dims[i].c;
    q.batches *= dims[i].size;
  }
  return q;
}

MatMulVariant choose(const MatMulProblem& p, uint32_t m) {
  if (p.variant == MatMulVariant::kAuto) return m <= kGemvRows ? MatMulVariant::kGemv : MatMulVariant::kGemm;
  if (p.variant == MatMulVariant::kGemv && m > kGemvRows)
    fail(kTag, "the gemv kernel takes up to {} rows, got {}", kGemvRows, m);
  return p.variant;
}

void check_norm(const MatMulProblem& p, const Params& q) {
  if (q.m * q.batches == 1 && p.norm_weight.elements() == q.k && p.variant != MatMulVariant::kGemm) return;
  fail(kTag, "the norm needs one row and a weight of K = {} elements, got {} rows and {}", q.k, q.m * q.batches,
       p.norm_weight.elements());
}

Dispatch common_dispatch(const MatMulProblem& p) {
  Dispatch d;
  d.shader.defines = {{"C", p.c ? wgsl_type(p.c.storage) : "f32"},
                      {"Y", wgsl_type(p.y.storage)},
                      {"HAS_C", p.c ? 1u : 0u},
                      {"TRANS_B", p.trans_b ? 1u : 0u},
                      {"AT_PARAMS", p.norm_weight ? 5u : 4u}};
  d.operands = {in(p.a), in(p.b), in(p.c ? p.c : p.a), out(p.y)};
  return d;
}

std::string elements_type(const Tensor& t, bool wide) {
  const std::string type = wgsl_type(t.storage);
  return wide ? "vec4<" + type + ">" : type;
}

// How matmul_gemv.wgsl divides the work: few columns a workgroup where there are few in all.
struct GemvShape {
  uint32_t workgroup = 256, rows, columns, per;
  bool subgroups = false;
  uint32_t partials = 1;  // sums of a line that workgroup memory has room for
  uint32_t lines() const { return columns / per; }
};

GemvShape gemv_shape(const MatMulProblem& p, const Params& q, const gpu::Caps& caps) {
  constexpr uint32_t kGroups = 128;  // keep a large device busy
  GemvShape shape{.rows = std::bit_ceil(q.m), .columns = 8, .per = !p.trans_b && q.n % 4 == 0 ? 4u : 1u};
  if (!p.trans_b) shape.columns = std::clamp(std::bit_floor(q.n / kGroups), shape.per == 4 ? 4u : 8u, 64u);
  if (shape.rows * shape.per > 16) shape.workgroup = 128;  // 16 KiB of partial sums
  shape.subgroups = caps.subgroups && caps.subgroup_max > 0 && caps.subgroup_max <= shape.workgroup;
  const uint32_t slices = shape.workgroup / shape.lines(), smallest = std::max(1u, caps.subgroup_min);
  const uint32_t together = p.trans_b ? std::min(slices, smallest) : std::max(1u, smallest / shape.lines());
  shape.partials = shape.subgroups ? slices / together : slices;
  return shape;
}

Footprint gemv_footprint(const MatMulProblem& p, const GemvShape& shape) {
  const uint32_t sums = shape.rows * shape.per + (p.norm_weight ? 1 : 0);  // of a line
  return {shape.workgroup, sums * shape.lines() * shape.partials * 4};
}

void plan_gemv(const MatMulProblem& p, const Params& q, Dispatch d, Recorder& recorder) {
  const GemvShape shape = gemv_shape(p, q, recorder.caps());
  d.name = p.norm_weight ? "matmul/norm_gemv" : "matmul/gemv";
  d.shader.file = "kernels/matmul/matmul_gemv.wgsl";
  const Defines more = {
      {"A", wgsl_type(p.a.storage)},     {"B", elements_type(p.b, shape.per == 4)},
      {"WG", shape.workgroup},           {"ROWS", shape.rows},
      {"COLUMNS", shape.columns},        {"PER", shape.per},
      {"PARTIALS", shape.partials},      {"SUBGROUPS", shape.subgroups ? 1u : 0u},
      {"NORM", p.norm_weight ? 1u : 0u}, {"G", p.norm_weight ? wgsl_type(p.norm_weight.storage) : "f32"}};
  d.shader.defines.insert(d.shader.defines.end(), more.begin(), more.end());
  if (p.norm_weight) d.operands.push_back(in(p.norm_weight));
  d.footprint = gemv_footprint(p, shape);
  d.groups = fold_groups(uint64_t{ceil_div(q.n, shape.columns)} * q.batches, recorder.caps());
  recorder.add(std::move(d));
}

// Products of float16 operands are exact in f32: matrices lose nothing.
TileCore core_of(const MatMulProblem& p, const gpu::Caps& caps) {
  const bool halves = p.a.storage == Storage::kF16 && p.b.storage == Storage::kF16;
  return halves && has_subgroup_matrices(caps) ? TileCore::kMatrices : TileCore::kMultiplyAdds;
}

void plan_gemm(const MatMulProblem& p, const Params& q, Dispatch d, Recorder& recorder) {
  const TileShape tile = tile_shape({core_of(p, recorder.caps()), q.m, q.n, q.batches}, recorder.caps());
  const auto wide = [&](uint32_t length) { return length % 4 == 0 && q.k != 0; };
  const bool a_wide = !p.trans_a && wide(q.k), b_wide = wide(p.trans_b ? q.k : q.n);
  d.name = tile.core == TileCore::kMatrices ? "matmul/gemm_matrices" : "matmul/gemm";
  d.shader.file = "kernels/matmul/matmul_gemm.wgsl";
  append_tile_defines(tile, q.k, d.shader.defines);
  const Defines more = {{"A", elements_type(p.a, a_wide)},
                        {"B", elements_type(p.b, b_wide)},
                        {"A_WIDE", a_wide ? 1u : 0u},
                        {"B_WIDE", b_wide ? 1u : 0u},
                        {"TRANS_A", p.trans_a ? 1u : 0u}};
  d.shader.defines.insert(d.shader.defines.end(), more.begin(), more.end());
  d.groups = fold_groups(uint64_t{ceil_div(q.n, tile.columns)} * ceil_div(q.m, tile.rows) * q.batches, recorder.caps());
  recorder.add(std::move(d));
}

}  // namespace

void plan_matmul(const MatMulProblem& p, Recorder& recorder) {
  check(p);
  const Params q = make_params(p);
  if (p.norm_weight) check_norm(p, q);
  if (p.y.elements() == 0) return;
  Dispatch d = common_dispatch(p);
  d.set_uniforms(q);
  if (choose(p, q.m) == MatMulVariant::kGemv) {
    plan_gemv(p, q, std::move(d), recorder);
  } else {
    plan_gemm(p, q, std::move(d), recorder);
  }
}

}  // namespace sluice::kernels
