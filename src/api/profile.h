// The report behind the public Profile.
#pragma once

#include "gpu/device.h"
#include "profile/report.h"
#include "sluice/profile.h"

namespace sluice {

struct Profile::Impl {
  profile::Report report;
};

namespace api {

// Bytes a second, or 0 where it is not wanted or the device cannot hold what it is measured with.
double read_limit(gpu::Device& device, const ProfileOptions& options);

}  // namespace api

}  // namespace sluice
