#include "kernels/data/gather_nd.h"

#include "kernels/data/nd_index.h"

namespace sluice::kernels {

void plan_gather_nd(const GatherNdProblem& problem, Recorder& recorder) {
  const NdPlan plan = plan_nd(problem.data, problem.indices, problem.y, problem.batch_dims, "gather_nd");
  if (problem.y.elements() == 0) return;
  if (problem.data.elements() == 0) fail("gather_nd", "data without elements has nothing to gather");
  Dispatch dispatch;
  dispatch.name = "gather_nd";
  dispatch.shader = {"kernels/data/gather_nd.wgsl", {{"T", plan.unit.type}}};
  dispatch.operands = {in(problem.indices), in(problem.data), out(problem.y)};
  dispatch.set_uniforms(plan.params);
  add_threads(std::move(dispatch), plan.params.count, recorder);
}

}  // namespace sluice::kernels
