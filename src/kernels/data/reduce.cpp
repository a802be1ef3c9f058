#include "kernels/data/reduce.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "kernels/common/strides.h"
#include "kernels/data/common.h"
#include "kernels/data/fill.h"

namespace sluice::kernels {
namespace {

constexpr const char* kTag = "reduce";
constexpr size_t kMaxRank = 4;  // of the kept and of the reduced dimensions, once joined
constexpr uint32_t kWorkgroup = 256;
constexpr uint32_t kSerialCount = 32;    // up to here one thread reduces alone
constexpr uint32_t kSplitCount = 32768;  // from here on a lone row is split among workgroups
constexpr uint32_t kSplitSize = 8192;

// The numbers that reduce.wgsl knows them by.
enum Combine : uint32_t { kAdd, kMultiply, kLeast, kGreatest };
enum Finish : uint32_t { kPlain, kDivide, kRoot };

struct alignas(16) Params {
  uint32_t outputs, count, chunks, chunk;  // chunk: elements of one of the chunks that count is split into
  uint32_t identity, divisor, pad0, pad1;
  uint32_t kept_dims[kMaxRank], kept_strides[kMaxRank];
  uint32_t dims[kMaxRank], strides[kMaxRank];
};
static_assert(sizeof(Params) == 96);

struct Axes {
  std::vector<uint32_t> dims;
  std::vector<int64_t> strides;
};

bool is_int(const Tensor& x) { return x.storage == Storage::kI32; }

Combine combine_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::kMax:
      return kGreatest;
    case ReduceOp::kMin:
      return kLeast;
    case ReduceOp::kProd:
      return kMultiply;
    default:
      return kAdd;
  }
}

double identity_of(Combine combine, bool ints) {
  switch (combine) {
    case kAdd:
      return 0;
    case kMultiply:
      return 1;
    case kLeast:
      return ints ? std::numeric_limits<int32_t>::max() : std::numeric_limits<double>::infinity();
    case kGreatest:
      return ints ? std::numeric_limits<int32_t>::min() : -std::numeric_limits<double>::infinity();
  }
  return 0;
}

uint32_t identity_bits(Combine combine, bool ints) {
  const double value = identity_of(combine, ints);
  return ints ? static_cast<uint32_t>(static_cast<int32_t>(value)) : std::bit_cast<uint32_t>(static_cast<float>(value));
}

// The dimensions that are reduced, or those that are not, joined; right-aligned in kMaxRank.
Axes select_axes(const ReduceProblem& problem, bool reduced) {
  const auto strides = row_major_strides(problem.x.shape);
  StridedSpace space{{}, {{}}};
  for (uint32_t d = 0; d < problem.x.rank(); ++d) {
    const bool is_reduced = std::count(problem.axes.begin(), problem.axes.end(), d) != 0;
    if (is_reduced != reduced) continue;
    space.dims.push_back(problem.x.shape[d]);
    space.strides[0].push_back(strides[d]);
  }
  space.collapse();
  if (space.dims.size() > kMaxRank) {
    fail(kTag, "at most {} groups of {} dimensions are supported, got {}", kMaxRank, reduced ? "reduced" : "kept",
         space.dims.size());
  }
  Axes axes{std::vector<uint32_t>(kMaxRank, 1), std::vector<int64_t>(kMaxRank, 0)};
  std::copy(space.dims.rbegin(), space.dims.rend(), axes.dims.rbegin());
  std::copy(space.strides[0].rbegin(), space.strides[0].rend(), axes.strides.rbegin());
  return axes;
}

uint64_t count_of(const ReduceProblem& problem, bool reduced) {
  uint64_t count = 1;
  for (uint32_t d = 0; d < problem.x.rank(); ++d) {
    const bool is_reduced = std::count(problem.axes.begin(), problem.axes.end(), d) != 0;
    if (is_reduced == reduced) count *= problem.x.shape[d];
  }
  return count;
}

void check(const ReduceProblem& problem) {
  const Tensor& x = problem.x;
  const Tensor& y = problem.y;
  if (!is_float_or_int(x)) fail(kTag, "bool, uint8, uint32 and uint64 are not supported");
  if (is_int(x) != is_int(y) || !is_float_or_int(y)) {
    fail(kTag, "input and output must both be float, or both int");
  }
  if (is_int(x) && problem.op == ReduceOp::kL2) fail(kTag, "L2 of ints is not supported");
  if (x.slot == y.slot) fail(kTag, "input and output must not share storage");
  for (const uint32_t axis : problem.axes) {
    if (axis >= x.rank()) fail(kTag, "axis {} is not below the rank {}", axis, x.rank());
  }
  check_size(x, kTag);
  check_count(y, count_of(problem, false), "the output", kTag);
}

void plan_empty(const ReduceProblem& problem, Recorder& recorder) {
  const bool ints = is_int(problem.x);
  double value = identity_of(combine_of(problem.op), ints);
  if (problem.op == ReduceOp::kMean && !ints) value = std::numeric_limits<double>::quiet_NaN();
  plan_fill({problem.y, value}, recorder);
}

struct Stage {
  Tensor x, y;
  Combine combine = kAdd;
  Finish finish = kPlain;
  bool square = false;
  Params params = {};
};

void add_stage(Stage stage, Recorder& recorder) {
  Params& params = stage.params;
  params.identity = identity_bits(stage.combine, is_int(stage.x));
  // Neighbouring threads of the serial variant read neighbouring elements where the innermost dimension is kept.
  const bool columns = params.kept_strides[kMaxRank - 1] == 1 && params.outputs >= 4096;
  const bool serial = params.chunks == 1 && (params.count <= kSerialCount || columns);
  const bool flat = params.dims[0] == 1 && params.dims[1] == 1 && params.dims[2] == 1;
  Dispatch dispatch;
  dispatch.name = serial ? "reduce/serial" : "reduce/row";
  dispatch.shader = {"kernels/data/reduce.wgsl",
                     {{"X", wgsl_type(stage.x.storage)},
                      {"Y", wgsl_type(stage.y.storage)},
                      {"A", is_int(stage.x) ? "i32" : "f32"},
                      {"COMBINE", uint32_t{stage.combine}},
                      {"FINISH", uint32_t{stage.finish}},
                      {"SQUARE", stage.square ? 1u : 0u},
                      {"FLAT", flat ? 1u : 0u},
                      {"SERIAL", serial ? 1u : 0u},
                      {"WG", kWorkgroup}}};
  dispatch.operands = {in(stage.x), out(stage.y)};
  dispatch.set_uniforms(params);
  const uint64_t groups = serial ? ceil_div(params.outputs, kWorkgroup) : uint64_t{params.outputs} * params.chunks;
  dispatch.groups = fold_groups(groups, recorder.caps());
  recorder.add(std::move(dispatch));
}

Params params_of(const ReduceProblem& problem) {
  Params params{};
  params.outputs = static_cast<uint32_t>(count_of(problem, false));
  params.count = static_cast<uint32_t>(count_of(problem, true));
  params.divisor = params.count;
  params.chunks = 1;
  params.chunk = params.count;
  const Axes kept = select_axes(problem, false), reduced = select_axes(problem, true);
  for (size_t d = 0; d < kMaxRank; ++d) {
    params.kept_dims[d] = kept.dims[d];
    params.kept_strides[d] = static_cast<uint32_t>(kept.strides[d]);
    params.dims[d] = reduced.dims[d];
    params.strides[d] = static_cast<uint32_t>(reduced.strides[d]);
  }
  return params;
}

// Parameters to reduce the chunks' results, a row of them an output.
Params params_of_chunks(const Params& first) {
  Params params{};
  params.outputs = first.outputs;
  params.count = params.chunk = first.chunks;
  params.chunks = 1;
  params.divisor = first.divisor;
  for (size_t d = 0; d < kMaxRank; ++d) params.kept_dims[d] = params.dims[d] = 1;
  params.kept_dims[kMaxRank - 1] = first.outputs;
  params.kept_strides[kMaxRank - 1] = first.chunks;
  params.dims[kMaxRank - 1] = first.chunks;
  params.strides[kMaxRank - 1] = 1;
  return params;
}

}  // namespace

void plan_reduce(const ReduceProblem& problem, Recorder& recorder) {
  check(problem);
  if (problem.y.elements() == 0) return;
  if (problem.x.elements() == 0) return plan_empty(problem, recorder);
  Stage stage{problem.x, problem.y, combine_of(problem.op)};
  stage.square = problem.op == ReduceOp::kSumSquare || problem.op == ReduceOp::kL2;
  stage.finish = problem.op == ReduceOp::kMean ? kDivide : problem.op == ReduceOp::kL2 ? kRoot : kPlain;
  stage.params = params_of(problem);
  if (stage.params.count < kSplitCount || stage.params.outputs >= 64) return add_stage(stage, recorder);

  Stage last = stage;
  stage.params.chunk = std::max(kSplitSize, ceil_div(stage.params.count, 1024));
  stage.params.chunks = ceil_div(stage.params.count, stage.params.chunk);
  stage.y =
      recorder.scratch(is_int(problem.x) ? Storage::kI32 : Storage::kF32, {stage.params.outputs, stage.params.chunks});
  stage.finish = kPlain;
  last.x = stage.y;
  last.square = false;
  last.params = params_of_chunks(stage.params);
  add_stage(stage, recorder);
  add_stage(last, recorder);
}

}  // namespace sluice::kernels
