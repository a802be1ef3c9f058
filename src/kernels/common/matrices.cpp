#include "kernels/common/matrices.h"

#include <algorithm>

namespace sluice::kernels {

bool has_subgroup_matrices(const gpu::Caps& caps) {
  using Type = gpu::SubgroupMatrix::Type;
  const gpu::SubgroupMatrix wanted{Type::kF16, Type::kF32, 16, 16, 16};
  const auto& offered = caps.subgroup_matrices;
  return caps.f16 && caps.subgroup_max > 0 && caps.subgroup_min == caps.subgroup_max &&
         std::find(offered.begin(), offered.end(), wanted) != offered.end();
}

}  // namespace sluice::kernels
