// Expert tensors beyond the limit of a binding. The router is evaluated once; each part of the experts is then a
// problem of its own, whose router and mixing weights are the mixing weights of its experts: those that were not chosen
// have zeros there, and experts with a weight of zero contribute nothing. The parts add up through the residual.
#include <algorithm>

#include "kernels/moe/qmoe_plan.h"

namespace sluice::kernels {
namespace {

constexpr uint32_t kWorkgroup = 64;

struct alignas(16) SpreadParams {
  uint32_t tokens, top, first, count;
};

// The mixing weights of a part's experts: (tokens, part.count), 0 where an expert is not chosen.
Tensor plan_spread(const Tensor& route, const QMoESizes& s, uint32_t top, Part part, Recorder& recorder) {
  Tensor weights = recorder.scratch(Storage::kF32, {s.tokens, part.count});
  Dispatch d;
  d.name = "qmoe/spread";
  d.shader = {"kernels/moe/qmoe_spread.wgsl", {{"WG", kWorkgroup}}};
  d.operands = {in(route), out(weights)};
  d.set_uniforms(SpreadParams{s.tokens, top, part.first, part.count});
  d.groups = fold_groups(ceil_div64(weights.elements(), kWorkgroup), recorder.caps());
  recorder.add(std::move(d));
  return weights;
}

QMoEProblem::Expert expert_part(const QMoEProblem::Expert& e, uint32_t experts, Part part) {
  return {part_of(e.weights, experts, part), part_of(e.scales, experts, part), part_of(e.bias, experts, part),
          part_of(e.zero_points, experts, part)};
}

}  // namespace

void plan_qmoe_in_parts(const QMoEProblem& p, const QMoESizes& s, const std::vector<Part>& parts, Recorder& recorder) {
  const Tensor route = recorder.scratch(Storage::kF32, {2 * s.tokens * p.k});
  plan_qmoe_route(p, s, route, recorder);
  QMoEProblem some = p;
  some.normalize_routing_weights = some.use_sparse_mixer = false;
  some.sigmoid = {};
  for (const Part& part : parts) {
    some.router = some.router_weights = plan_spread(route, s, p.k, part, recorder);
    some.k = std::min(p.k, part.count);
    some.fc1 = expert_part(p.fc1, s.experts, part);
    some.fc2 = expert_part(p.fc2, s.experts, part);
    some.fc3 = expert_part(p.fc3, s.experts, part);
    const bool last = part.first + part.count == s.experts;
    some.y = last ? p.y : recorder.scratch(Storage::kF32, p.y.shape);
    plan_qmoe(some, recorder);
    some.residual = some.y;
  }
}

}  // namespace sluice::kernels
