#include "api/device_info.h"

#include <fmt/format.h>

#include <iterator>

#include "api/open_device.h"
#include "base/error.h"
#include "runtime/bandwidth.h"

namespace sluice {

namespace api {

namespace {

std::string describe(const gpu::SubgroupMatrix& matrix) {
  const auto type = [](gpu::SubgroupMatrix::Type t) {
    constexpr const char* kNames[] = {"?", "f32", "f16", "u32", "i32", "u8", "i8"};
    const auto i = static_cast<size_t>(t);
    return kNames[i < std::size(kNames) ? i : 0];
  };
  return fmt::format("{}x{}x{} {} in {}", matrix.m, matrix.n, matrix.k, type(matrix.operands), type(matrix.sums));
}

}  // namespace

DeviceInfo device_info(const gpu::AdapterInfo& adapter) {
  DeviceInfo info;
  info.index = adapter.index;
  info.name = adapter.name;
  info.vendor = adapter.vendor;
  info.architecture = adapter.architecture;
  info.driver = adapter.driver;
  info.type = adapter.type;
  info.backend = adapter.backend;
  info.library = adapter.library;
  info.library_version = adapter.library_version;
  info.memory = adapter.memory;
  info.features = adapter.features;
  info.subgroup_min = adapter.caps.subgroup_min;
  info.subgroup_max = adapter.caps.subgroup_max;
  for (const auto& matrix : adapter.caps.subgroup_matrices) info.subgroup_matrices.push_back(describe(matrix));
  info.max_binding = adapter.caps.max_binding;
  info.max_buffer = adapter.caps.max_buffer;
  info.max_invocations = adapter.caps.max_invocations;
  info.max_workgroup_storage = adapter.caps.max_workgroup_storage;
  info.max_storage_buffers = adapter.caps.max_storage_buffers;
  return info;
}

}  // namespace api

// Some libraries tell subgroup sizes only to a shader, so each device is opened; one that cannot be is listed all the
// same.
std::vector<DeviceInfo> list_devices(const DeviceChoice& choice) {
  std::vector<DeviceInfo> devices;
  for (const gpu::AdapterInfo& adapter : gpu::list_adapters(api::device_options(choice))) {
    gpu::DeviceOptions options = api::device_options(choice);
    options.adapter = std::to_string(adapter.index);
    try {
      devices.push_back(api::device_info(gpu::Device::open(options)->info()));
    } catch (const Error&) {
      devices.push_back(api::device_info(adapter));
    }
  }
  return devices;
}

Device::Device(const DeviceChoice& choice) : impl_(std::make_shared<Impl>()) {
  impl_->device = gpu::Device::open(api::device_options(choice));
  impl_->info = api::device_info(impl_->device->info());
}

const DeviceInfo& Device::info() const { return impl_->info; }

double Device::measure_read_bandwidth() const {
  const std::lock_guard lock(impl_->mutex);
  return runtime::read_bandwidth(*impl_->device);
}

}  // namespace sluice
