// The open device behind the public Device.
#pragma once

#include <memory>
#include <mutex>

#include "api/device_info.h"

namespace sluice {

struct Device::Impl {
  std::unique_ptr<gpu::Device> device;
  DeviceInfo info;
  std::mutex mutex;  // held by whoever uses `device`
};

}  // namespace sluice
