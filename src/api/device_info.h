// Between the library's adapters and the public DeviceInfo.
#pragma once

#include "gpu/device.h"
#include "sluice/device.h"

namespace sluice::api {

inline gpu::DeviceOptions device_options(const DeviceChoice& choice) {
  gpu::DeviceOptions options;
  options.library = choice.library;
  options.adapter = choice.adapter;
  return options;
}

DeviceInfo device_info(const gpu::AdapterInfo& adapter);

}  // namespace sluice::api
