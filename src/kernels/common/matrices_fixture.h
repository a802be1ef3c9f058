// A device with subgroup matrices, for tests of planners wherever they run.
#pragma once

#include "gpu/caps.h"

namespace sluice::kernels {

inline gpu::Caps caps_with_matrices() {
  gpu::Caps caps;
  caps.f16 = caps.subgroups = true;
  caps.subgroup_min = caps.subgroup_max = 32;
  caps.subgroup_matrices = {{gpu::SubgroupMatrix::Type::kF16, gpu::SubgroupMatrix::Type::kF32, 16, 16, 16}};
  caps.max_workgroup_storage = 49152;
  return caps;
}

}  // namespace sluice::kernels
