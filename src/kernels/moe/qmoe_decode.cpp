// Few tokens: two dispatches, or three with fc3. See qmoe_decode_fc1.wgsl and qmoe_decode_fc2.wgsl.
#include "kernels/moe/qmoe_plan.h"

namespace sluice::kernels {
namespace {

void append_team_defines(const TeamShape& team, Defines& defines) {
  defines.insert(defines.end(),
                 {{"WG", team.workgroup}, {"LANES", team.lanes}, {"SUBGROUPS", team.subgroups ? 1u : 0u}});
}

uint32_t head_elements(const QMoEProblem& p, const QMoESizes& s) { return ceil_div(2 * s.tokens * p.k, 4) * 4; }

void plan_up(const QMoEProblem& p, const QMoESizes& s, QMoEStage stage, const Tensor& inner, Recorder& recorder) {
  const bool plain = stage == QMoEStage::kPlain;
  const uint32_t fused = plain ? 0 : s.fused;
  const NBitsWeights weights = expert_weights(p, plain ? p.fc3 : p.fc1, fused != 0 ? 2 * s.inner : s.inner, s.hidden);
  const TeamShape team = team_shape(nbits_layout(weights).units, recorder.caps());
  const uint32_t outputs = team.workgroup / team.lanes * (fused != 0 ? 1 : 2);
  Dispatch d;
  d.name = plain ? "qmoe/decode_fc3" : "qmoe/decode_fc1";
  d.shader.file = "kernels/moe/qmoe_decode_fc1.wgsl";
  append_activation_defines(p, fused, stage, d.shader.defines);
  append_selection_defines(p, s, d.shader.defines);
  append_row_defines(p.input, weights, d.shader.defines);
  append_team_defines(team, d.shader.defines);
  d.operands = {in(p.input)};
  append_nbits_operands(weights, d.operands);
  d.operands.push_back(in(p.router));
  d.operands.push_back(in(p.router_weights ? p.router_weights : p.router));
  d.operands.push_back(out(inner));
  QMoEParams params = qmoe_params(p, s, weights);
  params.head = head_elements(p, s);
  params.tiles = ceil_div(s.inner, outputs);
  d.set_uniforms(params);
  d.groups = fold_groups(uint64_t{params.tiles} * p.k * s.tokens, recorder.caps());
  recorder.add(std::move(d));
}

void plan_down(const QMoEProblem& p, const QMoESizes& s, const Tensor& inner, Recorder& recorder) {
  const NBitsWeights weights = expert_weights(p, p.fc2, s.hidden, s.inner);
  const TeamShape team = team_shape(uint64_t{nbits_layout(weights).units} * p.k, recorder.caps());
  Dispatch d;
  d.name = "qmoe/decode_fc2";
  d.shader.file = "kernels/moe/qmoe_decode_fc2.wgsl";
  d.shader.defines = {{"Y", wgsl_type(p.y.storage)},
                      {"R", p.residual ? wgsl_type(p.residual.storage) : "f32"},
                      {"HAS_RESIDUAL", p.residual ? 1u : 0u}};
  append_row_defines(inner, weights, d.shader.defines);
  append_team_defines(team, d.shader.defines);
  d.operands = {in(inner)};
  append_nbits_operands(weights, d.operands);
  d.operands.push_back(in(p.residual ? p.residual : inner));
  d.operands.push_back(out(p.y));
  QMoEParams params = qmoe_params(p, s, weights);
  params.head = head_elements(p, s);
  params.tiles = ceil_div(s.hidden, 2 * team.workgroup / team.lanes);
  d.set_uniforms(params);
  d.groups = fold_groups(uint64_t{params.tiles} * s.tokens, recorder.caps());
  recorder.add(std::move(d));
}

}  // namespace

void plan_qmoe_decode(const QMoEProblem& p, const QMoESizes& s, Recorder& recorder) {
  const Tensor inner = recorder.scratch(Storage::kF32, {head_elements(p, s) + s.tokens * p.k * s.inner});
  if (p.fc3.weights) plan_up(p, s, QMoEStage::kPlain, inner, recorder);
  plan_up(p, s, p.fc3.weights ? QMoEStage::kActivateTimesPlain : QMoEStage::kActivate, inner, recorder);
  plan_down(p, s, inner, recorder);
}

}  // namespace sluice::kernels
