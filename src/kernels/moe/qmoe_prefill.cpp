// Many tokens: route, sort the (token, slot) entries by expert, multiply by tiles, mix. Nothing is read back: as many
// row tiles are dispatched as the worst distribution needs, and those beyond the number found by the sort end at once.
// Tokens are taken in chunks when the activations between the products would not fit in one binding.
#include <algorithm>
#include <bit>

#include "kernels/matmul/tile_plan.h"
#include "kernels/moe/qmoe_plan.h"

namespace sluice::kernels {
namespace {

constexpr uint32_t kElementwiseGroup = 256;

struct Chunk {
  QMoESizes sizes;  // tokens: of this chunk
  uint32_t first_token = 0;
  TileShape fc1, fc2;  // alike in rows; fc3 has the shape of fc1
  uint32_t max_tiles = 0;
  Tensor route, plan, inner, product;
  uint32_t list() const { return 1 + 3 * max_tiles; }  // where the sorted list begins in `plan`
};

uint32_t tokens_of_chunk(const QMoEProblem& p, const QMoESizes& s, const gpu::Caps& caps) {
  const uint64_t bytes = uint64_t{p.k} * std::max(s.inner, s.hidden) * sizeof(float);
  if (bytes > caps.max_binding) {
    fail("qmoe", "one token's {} experts need a buffer of {} bytes, more than the device's limit of {}", p.k, bytes,
         caps.max_binding);
  }
  return static_cast<uint32_t>(std::min<uint64_t>(s.tokens, caps.max_binding / bytes));
}

uint32_t max_row_tiles(uint32_t entries, uint32_t experts, uint32_t tile_rows) {
  return std::min(entries, entries / tile_rows + experts);
}

// Both products walk one list of row tiles.
void choose_tiles(const QMoEProblem& p, uint32_t entries, const gpu::Caps& caps, Chunk& c) {
  const QMoESizes& s = c.sizes;
  const uint32_t groups = std::min(entries, s.experts);
  const TileCore core = takes_matrices(p, caps) ? TileCore::kMatrices : TileCore::kMultiplyAdds;
  TileDemand demand{core, ceil_div(entries, groups), (s.fused != 0 ? 2 : 1) * s.inner, groups};
  c.fc1 = tile_shape(demand, caps);
  demand.columns = s.hidden;
  demand.tile_rows = c.fc1.rows;
  c.fc2 = tile_shape(demand, caps);
}

QMoEParams chunk_params(const QMoEProblem& p, const Chunk& c, const NBitsWeights& weights) {
  QMoEParams params = qmoe_params(p, c.sizes, weights);
  params.first_token = c.first_token;
  params.head = c.list();
  return params;
}

void plan_route(const QMoEProblem& p, const Chunk& c, Recorder& recorder) {
  Dispatch d;
  d.name = "qmoe/route";
  d.shader.file = "kernels/moe/qmoe_route.wgsl";
  d.shader.defines = {{"WG", c.sizes.experts <= 64 ? 64u : 128u}};
  append_selection_defines(p, c.sizes, 1, d.shader.defines);
  d.operands = {in(p.router), out(c.route)};
  append_selection_operands(p, 0, d);
  d.shader.defines.emplace_back("AT_PARAMS", static_cast<uint32_t>(d.operands.size()));
  d.set_uniforms(chunk_params(p, c, {}));
  d.groups = fold_groups(c.sizes.tokens, recorder.caps());
  recorder.add(std::move(d));
}

// One workgroup sorts: the larger the more entries there are, as long as each invocation has a load of its own.
uint32_t sort_group(uint32_t entries, const gpu::Caps& caps) {
  uint32_t group = std::min(256u, std::bit_floor(caps.max_invocations));
  while (2 * group <= std::min(caps.max_invocations, caps.max_workgroup_size[0]) && 8 * group < entries) group *= 2;
  return group;
}

void plan_sort(const QMoEProblem& p, const Chunk& c, Recorder& recorder) {
  Dispatch d;
  d.name = "qmoe/sort";
  d.shader.file = "kernels/moe/qmoe_sort.wgsl";
  d.shader.defines = {{"WG", sort_group(c.sizes.tokens * p.k, recorder.caps())},
                      {"EXPERTS", std::max(32u, std::bit_ceil(c.sizes.experts))},
                      {"TM", c.fc1.rows}};
  d.operands = {in(c.route), out(c.plan)};
  d.set_uniforms(chunk_params(p, c, {}));
  recorder.add(std::move(d));
}

void plan_product(const QMoEProblem& p, const Chunk& c, QMoEStage stage, Recorder& recorder) {
  const bool down = stage == QMoEStage::kDown;
  const QMoESizes& s = c.sizes;
  const uint32_t fused = down || stage == QMoEStage::kPlain ? 0 : s.fused;
  const auto& expert = down ? p.fc2 : stage == QMoEStage::kPlain ? p.fc3 : p.fc1;
  const uint32_t rows = down ? s.hidden : fused != 0 ? 2 * s.inner : s.inner;
  const NBitsWeights weights = expert_weights(p, expert, rows, down ? s.inner : s.hidden);
  const Tensor &x = down ? c.inner : p.input, &y = down ? c.product : c.inner;
  const TileShape& tile = down ? c.fc2 : c.fc1;
  Dispatch d;
  d.name = down ? "qmoe/prefill_fc2" : stage == QMoEStage::kPlain ? "qmoe/prefill_fc3" : "qmoe/prefill_fc1";
  d.shader.file = "kernels/moe/qmoe_tile.wgsl";
  d.shader.defines = {{"O", wgsl_type(y.storage)}, {"PAIRS", fused == 0 && rows % 2 == 0 ? 1u : 0u}};
  append_tile_defines(tile, weights.k, d.shader.defines);
  append_activation_defines(p, fused, stage, d.shader.defines);
  append_row_defines(x, weights, d.shader.defines);
  d.operands = {in(x)};
  append_nbits_operands(weights, d.operands);
  d.operands.push_back(in(c.plan));
  d.operands.push_back(out(y));
  QMoEParams params = chunk_params(p, c, weights);
  params.tiles = ceil_div(rows, tile.columns);
  d.set_uniforms(params);
  d.groups = fold_groups(uint64_t{params.tiles} * c.max_tiles, recorder.caps());
  recorder.add(std::move(d));
}

void plan_mix(const QMoEProblem& p, const Chunk& c, Recorder& recorder) {
  Dispatch d;
  d.name = "qmoe/mix";
  d.shader.file = "kernels/moe/qmoe_mix.wgsl";
  const uint32_t per = c.sizes.hidden % 4 == 0 ? 4 : 1;
  const auto type = [&](const Tensor& t) {
    return per == 4 ? fmt::format("vec4<{}>", wgsl_type(t.storage)) : wgsl_type(t.storage);
  };
  const Tensor& residual = p.residual ? p.residual : c.product;
  d.shader.defines = {{"WG", kElementwiseGroup}, {"PER", per},     {"P", type(c.product)},
                      {"R", type(residual)},     {"Y", type(p.y)}, {"HAS_RESIDUAL", p.residual ? 1u : 0u}};
  d.operands = {in(c.route), in(c.plan), in(c.product), in(residual), out(p.y)};
  d.set_uniforms(chunk_params(p, c, {}));
  d.groups =
      fold_groups(ceil_div64(uint64_t{c.sizes.tokens} * c.sizes.hidden / per, kElementwiseGroup), recorder.caps());
  recorder.add(std::move(d));
}

}  // namespace

bool takes_matrices(const QMoEProblem& p, const gpu::Caps& caps) {
  return p.input.storage == Storage::kF16 && has_subgroup_matrices(caps);
}

void plan_qmoe_prefill(const QMoEProblem& p, const QMoESizes& s, Recorder& recorder) {
  const uint32_t step = tokens_of_chunk(p, s, recorder.caps());
  const uint32_t entries = step * p.k;
  Chunk c;
  c.sizes = s;
  choose_tiles(p, entries, recorder.caps(), c);
  c.max_tiles = max_row_tiles(entries, s.experts, c.fc1.rows);
  c.route = recorder.scratch(Storage::kF32, {2 * entries});
  c.plan = recorder.scratch(Storage::kU32, {c.list() + 2 * entries});
  c.inner = recorder.scratch(c.fc2.core == TileCore::kMatrices ? Storage::kF16 : Storage::kF32, {entries, s.inner});
  c.product = recorder.scratch(p.input.storage, {entries, s.hidden});
  for (c.first_token = 0; c.first_token < s.tokens; c.first_token += step) {
    c.sizes.tokens = std::min(step, s.tokens - c.first_token);
    plan_route(p, c, recorder);
    plan_sort(p, c, recorder);
    if (p.fc3.weights) plan_product(p, c, QMoEStage::kPlain, recorder);
    plan_product(p, c, p.fc3.weights ? QMoEStage::kActivateTimesPlain : QMoEStage::kActivate, recorder);
    plan_product(p, c, QMoEStage::kDown, recorder);
    plan_mix(p, c, recorder);
  }
}

void plan_qmoe_route(const QMoEProblem& p, const QMoESizes& s, const Tensor& route, Recorder& recorder) {
  Chunk chunk;
  chunk.sizes = s;
  chunk.route = route;
  plan_route(p, chunk, recorder);
}

}  // namespace sluice::kernels
