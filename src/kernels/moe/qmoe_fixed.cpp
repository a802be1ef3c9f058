// Few tokens, with products of integers: two dispatches. See qmoe_fixed_fc1.wgsl and qmoe_fixed_fc2.wgsl.
#include <algorithm>
#include <bit>
#include <string>

#include "kernels/moe/qmoe_plan.h"

namespace sluice::kernels {
namespace {

// Teams of `lanes` invocations own two weight rows at a time; each invocation loads `depth` units of both at once.
struct FixedShape {
  uint32_t workgroup = 256, lanes = 32, depth = 1;
  bool subgroups = false;
  uint32_t parts = 1;  // that a team's sum is left in
  uint32_t teams() const { return workgroup / lanes; }
};

constexpr uint32_t kLanes = 32;

FixedShape team_of(uint32_t lanes, uint32_t workgroup, const gpu::Caps& caps) {
  FixedShape shape;
  shape.subgroups = caps.subgroups && caps.subgroup_max > 0 && caps.subgroup_max <= workgroup;
  shape.lanes = shape.subgroups ? std::max(lanes, caps.subgroup_max) : lanes;
  shape.workgroup = std::max(workgroup, shape.lanes);
  shape.parts = shape.subgroups ? shape.lanes / std::max(4u, caps.subgroup_min) : shape.lanes;
  return shape;
}

// fc1: a workgroup has `rows` rows, and there are `groups` workgroups. It is the larger the fewer there are, as long as
// all of them find room on a large GPU.
FixedShape up_shape(uint32_t units, uint32_t rows, uint64_t groups, const gpu::Caps& caps) {
  constexpr uint64_t kInvocations = 200'000;
  uint32_t workgroup = std::min(256u, std::bit_floor(caps.max_invocations));
  while (!caps.software && 2 * workgroup <= caps.max_invocations && 2 * workgroup * groups <= kInvocations)
    workgroup *= 2;
  FixedShape shape = team_of(kLanes, workgroup, caps);
  while (shape.teams() * 2 > rows) shape.workgroup /= 2;
  shape.depth = std::clamp(ceil_div(units, shape.lanes), 1u, 3u);
  return shape;
}

// fc2: units of all experts' rows together.
FixedShape down_shape(uint64_t units, const gpu::Caps& caps) {
  constexpr uint32_t kDepth = 3;
  const uint32_t workgroup = std::min(256u, std::bit_floor(caps.max_invocations));
  uint32_t lanes = kLanes;
  while (!caps.software && lanes < 128 && lanes < workgroup && units > lanes) lanes *= 2;
  FixedShape shape = team_of(lanes, workgroup, caps);
  shape.depth = static_cast<uint32_t>(std::clamp<uint64_t>(ceil_div64(units, shape.lanes), 1, kDepth));
  return shape;
}

void append_shape(const FixedShape& shape, Defines& defines) {
  defines.insert(defines.end(), {{"WG", shape.workgroup},
                                 {"LANES", shape.lanes},
                                 {"DEPTH", shape.depth},
                                 {"PARTS", shape.parts},
                                 {"SUBGROUPS", shape.subgroups ? 1u : 0u}});
}

NBitsWeights up_weights(const QMoEProblem& p, const QMoESizes& s) {
  return expert_weights(p, p.fc1, s.fused != 0 ? 2 * s.inner : s.inner, s.hidden);
}

FixedShape up_shape(const QMoEProblem& p, const QMoESizes& s, const gpu::Caps& caps) {
  const NBitsLayout down = nbits_layout(down_weights(p, s));
  const uint32_t rows = (s.fused != 0 ? 2 : 1) * down.unit_values;
  return up_shape(nbits_layout(up_weights(p, s)).units, rows, uint64_t{down.units} * p.k * s.tokens, caps);
}

// Workgroup memory of qmoe_fixed_fc1.wgsl.
uint32_t up_bytes(const QMoEProblem& p, const QMoESizes& s, const gpu::Caps& caps) {
  const NBitsLayout layout = nbits_layout(up_weights(p, s)), down = nbits_layout(down_weights(p, s));
  const FixedShape shape = up_shape(p, s, caps);
  const uint32_t row = layout.units * (layout.unit_values / 8 * 20 + 4);
  const uint32_t sums = shape.parts * down.unit_values * 8 + down.unit_values * 4 + shape.workgroup * 4;
  return row + sums + selection_bytes(s);
}

void plan_up(const QMoEProblem& p, const QMoESizes& s, const Tensor& inner, Recorder& recorder) {
  const NBitsWeights weights = up_weights(p, s);
  const FixedShape shape = up_shape(p, s, recorder.caps());
  Dispatch d;
  d.name = "qmoe/fixed_fc1";
  d.shader.file = "kernels/moe/qmoe_fixed_fc1.wgsl";
  append_activation_defines(p, s.fused, QMoEStage::kActivate, d.shader.defines);
  append_selection_defines(p, s, shape.subgroups ? 4 : 1, d.shader.defines);
  append_row_defines(p.input, weights, d.shader.defines);
  append_shape(shape, d.shader.defines);
  const Defines more = {{"UNITS", nbits_layout(weights).units},
                        {"NORM", p.norm_weight ? 1u : 0u},
                        {"G", std::string(p.norm_weight ? wgsl_type(p.norm_weight.storage) : "f32")}};
  d.shader.defines.insert(d.shader.defines.end(), more.begin(), more.end());
  d.operands = {in(p.input)};
  append_nbits_operands(weights, d.operands);
  d.operands.push_back(in(p.router));
  d.operands.push_back(out(inner));
  append_selection_operands(p, weights.zero_points ? 0 : kZeroPoints, d);
  d.shader.defines.emplace_back("AT_PARAMS", static_cast<uint32_t>(d.operands.size()));
  QMoEParams params = qmoe_params(p, s, weights);
  params.head = head_words(p, s);
  params.inner_units = nbits_layout(down_weights(p, s)).units;
  d.set_uniforms(params);
  const uint64_t groups_of_token = uint64_t{params.inner_units} * p.k + 1;  // one for the weights and experts
  d.groups = fold_groups(groups_of_token * s.tokens, recorder.caps());
  d.footprint = {shape.workgroup, up_bytes(p, s, recorder.caps())};
  recorder.add(std::move(d));
}

void plan_down(const QMoEProblem& p, const QMoESizes& s, const Tensor& inner, Recorder& recorder) {
  const NBitsWeights weights = down_weights(p, s);
  const uint32_t units = nbits_layout(weights).units;
  const FixedShape shape = down_shape(uint64_t{units} * p.k, recorder.caps());
  Dispatch d = down_dispatch(p, s, inner);
  d.name = "qmoe/fixed_fc2";
  d.shader.file = "kernels/moe/qmoe_fixed_fc2.wgsl";
  append_shape(shape, d.shader.defines);
  d.shader.defines.emplace_back("UNITS", units);
  QMoEParams params = qmoe_params(p, s, weights);
  params.head = head_words(p, s);
  d.set_uniforms(params);
  d.groups = fold_groups(uint64_t{ceil_div(s.hidden, 2 * shape.teams())} * s.tokens, recorder.caps());
  d.footprint = {shape.workgroup, shape.teams() * shape.parts * 8};
  recorder.add(std::move(d));
}

bool takes_rows(const NBitsWeights& weights) {
  const NBitsLayout layout = nbits_layout(weights);
  return layout.aligned && layout.unit == 4 && weights.k % 4 == 0;
}

}  // namespace

bool takes_fixed(const QMoEProblem& p, const QMoESizes& s, const gpu::Caps& caps) {
  if (!caps.dot4i8 || p.fc3.weights || (p.bits != 4 && p.bits != 8) || p.input.storage != Storage::kF16) return false;
  return takes_rows(up_weights(p, s)) && takes_rows(down_weights(p, s)) &&
         up_bytes(p, s, caps) <= caps.max_workgroup_storage;
}

void plan_qmoe_fixed(const QMoEProblem& p, const QMoESizes& s, Recorder& recorder) {
  const NBitsLayout layout = nbits_layout(down_weights(p, s));
  const uint32_t words = layout.unit_values / 2 + 1;                             // of a unit's packets, and its step
  const uint32_t rows = ceil_div(s.tokens * p.k * layout.units * words, 4) * 4;  // the second product reads it in fours
  const Tensor inner = recorder.scratch(Storage::kU32, {head_words(p, s) + rows});
  plan_up(p, s, inner, recorder);
  plan_down(p, s, inner, recorder);
}

}  // namespace sluice::kernels
