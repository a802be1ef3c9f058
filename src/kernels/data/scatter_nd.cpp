#include "kernels/data/scatter_nd.h"

#include "kernels/common/strides.h"
#include "kernels/data/copy.h"
#include "kernels/data/nd_index.h"

namespace sluice::kernels {

void plan_scatter_nd(const ScatterNdProblem& problem, Recorder& recorder) {
  if (problem.y.shape != problem.data.shape) {
    fail("scatter_nd", "the output must have shape {}, got {}", shape_text(problem.data.shape),
         shape_text(problem.y.shape));
  }
  const NdPlan plan = plan_nd(problem.data, problem.indices, problem.updates, 0, "scatter_nd");
  plan_copy({problem.data, problem.y}, recorder);
  if (problem.updates.elements() == 0) return;
  Dispatch dispatch;
  dispatch.name = "scatter_nd";
  dispatch.shader = {"kernels/data/scatter_nd.wgsl", {{"T", plan.unit.type}}};
  dispatch.operands = {in(problem.indices), in(problem.updates), out(problem.y)};
  dispatch.set_uniforms(plan.params);
  add_threads(std::move(dispatch), plan.params.count, recorder);
}

}  // namespace sluice::kernels
