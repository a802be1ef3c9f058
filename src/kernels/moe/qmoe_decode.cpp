// Few tokens: two dispatches, or three with fc3. See qmoe_decode_fc1.wgsl and qmoe_decode_fc2.wgsl.
#include <algorithm>
#include <string>

#include "kernels/moe/qmoe_plan.h"

namespace sluice::kernels {
namespace {

// Of a row of inner activations: whole units of fc2's rows.
uint32_t inner_elements(const QMoEProblem& p, const QMoESizes& s) {
  const NBitsLayout layout = nbits_layout(down_weights(p, s));
  return layout.units * layout.unit_values;
}

void plan_up(const QMoEProblem& p, const QMoESizes& s, QMoEStage stage, const Tensor& inner, Recorder& recorder) {
  const bool plain = stage == QMoEStage::kPlain;
  const uint32_t fused = plain ? 0 : s.fused;
  const NBitsWeights weights = expert_weights(p, plain ? p.fc3 : p.fc1, fused != 0 ? 2 * s.inner : s.inner, s.hidden);
  const TeamShape team = team_shape(nbits_layout(weights).units, recorder.caps());
  const uint32_t outputs = team.teams() * (fused != 0 ? team.columns / 2 : team.columns);
  const uint32_t staged = staged_quads(nbits_layout(weights), team, selection_bytes(s), recorder.caps());
  Dispatch d;
  d.name = plain ? "qmoe/decode_fc3" : "qmoe/decode_fc1";
  d.shader.file = "kernels/moe/qmoe_decode_fc1.wgsl";
  append_activation_defines(p, fused, stage, d.shader.defines);
  append_selection_defines(p, s, 1, d.shader.defines);
  append_row_defines(p.input, weights, d.shader.defines);
  append_team_defines(team, d.shader.defines);
  const NBitsLayout down = nbits_layout(down_weights(p, s));
  const Defines more = {{"STAGED", staged},
                        {"INNER_QUADS", down.unit_values / 4},
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
  params.inner_units = down.units;
  params.tiles = ceil_div(inner_elements(p, s), outputs);
  d.set_uniforms(params);
  d.groups = fold_groups(uint64_t{params.tiles} * p.k * s.tokens, recorder.caps());
  recorder.add(std::move(d));
}

void plan_down(const QMoEProblem& p, const QMoESizes& s, const Tensor& inner, Recorder& recorder) {
  const NBitsWeights weights = down_weights(p, s);
  const TeamShape team = team_shape(uint64_t{nbits_layout(weights).units} * p.k, recorder.caps());
  Dispatch d = down_dispatch(p, s, inner);
  d.name = "qmoe/decode_fc2";
  d.shader.file = "kernels/moe/qmoe_decode_fc2.wgsl";
  append_team_defines(team, d.shader.defines);
  QMoEParams params = qmoe_params(p, s, weights);
  params.head = head_words(p, s);
  params.inner_units = nbits_layout(weights).units;
  params.tiles = ceil_div(s.hidden, team.columns * team.teams());
  d.set_uniforms(params);
  d.groups = fold_groups(uint64_t{params.tiles} * s.tokens, recorder.caps());
  recorder.add(std::move(d));
}

}  // namespace

void plan_qmoe_decode(const QMoEProblem& p, const QMoESizes& s, Recorder& recorder) {
  const Tensor inner = recorder.scratch(Storage::kF32, {head_words(p, s) + s.tokens * p.k * inner_elements(p, s)});
  if (p.fc3.weights) plan_up(p, s, QMoEStage::kPlain, inner, recorder);
  plan_up(p, s, p.fc3.weights ? QMoEStage::kActivateTimesPlain : QMoEStage::kActivate, inner, recorder);
  plan_down(p, s, inner, recorder);
}

}  // namespace sluice::kernels
