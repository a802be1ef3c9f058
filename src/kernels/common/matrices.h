// Subgroup matrices: products of small matrices that a subgroup computes as one operation.
#pragma once

#include "gpu/caps.h"

namespace sluice::kernels {

// Whether the device has those of 16 x 16 x 16, f16 added up in f32, in subgroups of one known size.
bool has_subgroup_matrices(const gpu::Caps& caps);

}  // namespace sluice::kernels
